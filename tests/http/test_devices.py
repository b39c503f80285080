"""Devices: list, read, rename, delete."""


def test_devices__after_login__listed_with_id_and_last_seen(alice):
    other = alice.login(initial_device_display_name="Second")
    devices = {device["device_id"]: device for device in alice.get("/devices").ok()["devices"]}
    assert set(devices) == {alice.device_id, other.device_id}
    assert devices[other.device_id]["display_name"] == "Second"


def test_device__own__read(alice):
    assert alice.get("/devices/" + alice.device_id).ok()["device_id"] == alice.device_id


def test_device__unknown__404(alice):
    alice.get("/devices/NOSUCH").expect(404, "M_NOT_FOUND")
    alice.put("/devices/NOSUCH", {"display_name": "x"}).expect(404, "M_NOT_FOUND")


def test_device__of_another_user__404(alice, bob):
    alice.get("/devices/" + bob.device_id).expect(404, "M_NOT_FOUND")
    alice.put("/devices/" + bob.device_id, {"display_name": "mine"}).expect(404, "M_NOT_FOUND")
    assert bob.get("/devices/" + bob.device_id).ok().get("display_name") != "mine"


def test_device__renamed__shows_new_name(alice):
    assert alice.put("/devices/" + alice.device_id, {"display_name": "Kitchen 🍳"}).ok().json == {}
    assert alice.get("/devices/" + alice.device_id).ok()["display_name"] == "Kitchen 🍳"


def test_device__put_without_name__unchanged(alice):
    alice.put("/devices/" + alice.device_id, {"display_name": "Kept"}).ok()
    alice.put("/devices/" + alice.device_id, {}).ok()
    assert alice.get("/devices/" + alice.device_id).ok()["display_name"] == "Kept"


def test_device__name_no_string__400(alice):
    alice.put("/devices/" + alice.device_id, {"display_name": 5}).expect(400)


def test_device__deleted__gone_and_token_dead(alice):
    other = alice.login()
    alice.uia("DELETE", "/devices/" + other.device_id).ok()
    other.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    alice.get("/devices/" + other.device_id).expect(404, "M_NOT_FOUND")


def test_device__own_deleted__own_token_dead(alice):
    other = alice.login()
    other.uia("DELETE", "/devices/" + other.device_id).ok()
    other.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def test_device__deleted_twice__second_200_too(alice):
    """device_management.yaml: "successfully removed, or had been removed previously"."""
    other = alice.login()
    alice.uia("DELETE", "/devices/" + other.device_id).ok()
    alice.uia("DELETE", "/devices/" + other.device_id).ok()


def test_device__of_another_user_deleted__stays(alice, bob):
    alice.uia("DELETE", "/devices/" + bob.device_id)
    bob.get("/account/whoami").ok()


def test_delete_devices__several__all_gone(alice):
    sessions = [alice.login() for _ in range(3)]
    alice.uia("POST", "/delete_devices", {"devices": [item.device_id for item in sessions]}).ok()
    for session in sessions:
        session.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    assert [d["device_id"] for d in alice.get("/devices").ok()["devices"]] == [alice.device_id]


def test_delete_devices__unknown_among_them__others_gone(alice):
    other = alice.login()
    alice.uia("POST", "/delete_devices", {"devices": ["NOSUCH", other.device_id]}).ok()
    other.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def test_delete_devices__malformed__400(alice):
    for body in ({}, {"devices": "x"}, {"devices": [5]}, {"devices": {"a": 1}}):
        alice.post("/delete_devices", body).expect((400,))


def test_device__refresh_token_of_deleted__dead(alice, nobody):
    other = alice.login(refresh_token=True)
    alice.uia("DELETE", "/devices/" + other.device_id).ok()
    nobody.post("/refresh", {"refresh_token": other.refresh_token}, token=False).expect((401, 403))
