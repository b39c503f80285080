"""The names of senders of notices (docs/notices.md): nobody else's, neither people's nor application services'."""
from support import accounts
from support.client import unique
from support.server import wait_until
from test_appservice_registration import name, quiet, refused  # noqa: F401  pylint: disable=unused-import
from test_notices import notice


def test_sender__in_the_namespace_of_a_service__refused(bridged, quiet):  # noqa: F811
    prefix = "_%s_" % name("bridge")
    service = quiet(users=["@%s.*" % prefix])
    service.register(bridged)
    done = bridged.run("notice", "sender", prefix + "office")
    assert done.returncode == 1 and "namespace of the application service '%s'" % service.id in done.stderr
    assert bridged.run("notice", "sender", service.sender_localpart).returncode == 1


def test_service__would_have_a_sender__refused(bridged, quiet):  # noqa: F811
    office = notice(bridged, "sender", name("office")).strip()
    localpart = office[1:].partition(":")[0]
    refused(bridged, quiet(users=["@%s.*" % localpart]), "sender of notices", office)
    refused(bridged, quiet(sender_localpart=localpart), "sender of notices", office)


def test_sender__service_with_a_wide_namespace__cannot_act_as_it(bridged, quiet):  # noqa: F811
    office = notice(bridged, "sender", name("office")).strip()
    service = quiet(users=[("@.*", False)])
    service.register(bridged)
    bot, lin = service.client(bridged), accounts.register(bridged.url)
    assert bot.get("/account/whoami", {"user_id": lin.user_id}).ok()["user_id"] == lin.user_id
    # The server hears of the new sender within some seconds.
    wait_until(lambda: bot.get("/account/whoami", {"user_id": office}).status == 403, what="the sender is known")
    bot.post("/register", {"type": "m.login.application_service", "username": office}).expect(400, "M_EXCLUSIVE")
    bot.post("/login", {"type": "m.login.application_service",
                        "identifier": {"type": "m.id.user", "user": office}}).expect(400, "M_EXCLUSIVE")
    bridged.anonymous().post("/register", {"username": office[1:].partition(":")[0], "password": unique("Pass-word"),
                                           "auth": {"type": "m.login.dummy"}}, token=False).expect(400)


def test_sender__password_by_the_command__refused(bridged):
    office = notice(bridged, "sender", name("office")).strip()
    done = bridged.run("user", "password", office, "--password-stdin", input=unique("Pass-word") + "\n")
    assert done.returncode == 1 and "nobody logs in" in done.stderr
