// matrix-js-sdk, the library under Element, lives in this homeserver: two people, three sessions, one room.
//
//   node conversation.mjs BASE_URL SLOWNESS
//
// Prints each step; ends with status 0 if all of them worked, else names the step and what was missing.
import process from "node:process";

// The library talks a lot; only what this script says is shown.
const say = (line) => process.stdout.write(line + "\n");
for (const name of ["trace", "debug", "log", "info", "warn", "error"]) {
	console[name] = () => {};
}
const sdk = await import("matrix-js-sdk");

const [baseUrl, slowness = "1"] = process.argv.slice(2);
const slow = Number(slowness);
const run = Date.now().toString(36) + process.pid.toString(36);
let step = "start";
const clients = [];

function begin(name) {
	step = name;
	say("step: " + name);
}

function check(condition, message) {
	if (!condition) {
		throw new Error(message);
	}
}

// Resolves with the first true value of condition(), looked at again after each event of the client.
function until(client, what, condition, limitS = 20) {
	return new Promise((resolve, reject) => {
		const names = ["sync", "Room.timeline", "Room.receipt", "RoomMember.typing", "RoomMember.membership",
			"Room.myMembership", "Event.replaced", "Room.redaction", "Event.decrypted", "Room", "Room.accountData"];
		const finish = (action, value) => {
			clearTimeout(timer);
			clearInterval(again);
			names.forEach((name) => client.off(name, look));
			action(value);
		};
		const look = () => {
			const found = condition();
			if (found) {
				finish(resolve, found);
			}
		};
		// relations and receipts are put in order after the event was emitted
		const again = setInterval(look, 50);
		const timer = setTimeout(() => finish(reject, new Error("not seen by /sync: " + what)), limitS * 1000 * slow);
		names.forEach((name) => client.on(name, look));
		look();
	});
}

function session(answer) {
	const client = sdk.createClient({ baseUrl, userId: answer.user_id, accessToken: answer.access_token,
		deviceId: answer.device_id, timelineSupport: true });
	clients.push(client);
	return client;
}

async function start(client) {
	await client.startClient({ initialSyncLimit: 20, pollTimeout: 5000, lazyLoadMembers: true });
	await until(client, "the first sync", () => client.isInitialSyncComplete(), 30);
}

const text = (body) => ({ msgtype: "m.text", body });
const bodies = (room) => room.getLiveTimeline().getEvents()
	.filter((event) => event.getType() === "m.room.message").map((event) => event.getId());

async function main() {
	begin("register");
	const anonymous = sdk.createClient({ baseUrl });
	const register = (name, password) => anonymous.registerRequest({ username: name, password,
		initial_device_display_name: "phone", auth: { type: "m.login.dummy" } });
	const annAnswer = await register("ann-" + run, "ann's words");
	const benAnswer = await register("ben-" + run, "ben's words");
	const ann = session(annAnswer), ben = session(benAnswer);

	begin("log in on a second device");
	const tablet = session(await anonymous.login("m.login.password", {
		identifier: { type: "m.id.user", user: annAnswer.user_id }, password: "ann's words",
		initial_device_display_name: "tablet" }));
	check(tablet.getDeviceId() !== ann.getDeviceId(), "both sessions have one device");
	const devices = (await ann.getDevices()).devices.map((device) => device.device_id).sort();
	check(JSON.stringify(devices) === JSON.stringify([ann.getDeviceId(), tablet.getDeviceId()].sort()),
		"devices: " + devices);
	await ann.setDisplayName("Ann");

	begin("first sync of three sessions");
	for (const client of [ann, ben, tablet]) {
		await start(client);
	}

	begin("create and invite");
	const { room_id: roomId } = await ann.createRoom({ name: "Staff room", topic: "Talk", preset: "private_chat" });
	await ann.invite(roomId, ben.getUserId());
	await until(ben, "the invite", () => ben.getRoom(roomId)?.getMyMembership() === "invite");
	check(ben.getRoom(roomId).name === "Staff room", "name of the invite: " + ben.getRoom(roomId).name);

	begin("join");
	await ben.joinRoom(roomId);
	await until(ben, "the joined room", () => ben.getRoom(roomId)?.getMyMembership() === "join");
	await until(tablet, "the room on the tablet", () => tablet.getRoom(roomId)?.getJoinedMemberCount() === 2);
	const rooms = [ann, ben, tablet].map((client) => client.getRoom(roomId));
	await until(ben, "ann's name", () => rooms[1].getMember(ann.getUserId())?.name === "Ann");

	begin("talk");
	const ids = [];
	for (let number = 0; number < 15; number++) {
		ids.push((await [ann, ben][number % 2].sendMessage(roomId, text("line " + number))).event_id);
	}
	for (const [index, client] of [ann, ben, tablet].entries()) {
		await until(client, "the talk", () => bodies(rooms[index]).includes(ids.at(-1)));
		const seen = bodies(rooms[index]).filter((id) => ids.includes(id));
		check(new Set(seen).size === ids.length && seen.length === ids.length, "session " + index + " saw " + seen);
		// a sender's own session leaves its events where it wrote them, so only the third shows the server's order
		check(index < 2 || JSON.stringify(seen) === JSON.stringify(ids), "order: " + seen);
	}
	await until(ann, "own events recognised by their transaction ids",
		() => rooms[0].getLiveTimeline().getEvents().every((event) => !event.status));

	begin("unread count and mention");
	await ann.sendMessage(roomId, { ...text("Ben?"), "m.mentions": { user_ids: [ben.getUserId()] } });
	await until(ben, "a highlight", () => rooms[1].getUnreadNotificationCount("highlight") === 1);

	begin("edit");
	await ben.sendMessage(roomId, { ...text("* line one"), "m.new_content": text("line one"),
		"m.relates_to": { rel_type: "m.replace", event_id: ids[1] } });
	await until(ann, "the edit", () => rooms[0].findEventById(ids[1])?.getContent().body === "line one");

	begin("react");
	await ben.sendEvent(roomId, "m.reaction",
		{ "m.relates_to": { rel_type: "m.annotation", event_id: ids[0], key: "👍" } });
	await until(ann, "the reaction", () => rooms[0].relations
		.getChildEventsForEvent(ids[0], "m.annotation", "m.reaction")?.getSortedAnnotationsByKey()?.[0]?.[0] === "👍");

	begin("redact");
	await ben.redactEvent(roomId, ids[3], undefined, { reason: "wrong room" });
	await until(ann, "the redaction", () => rooms[0].findEventById(ids[3])?.isRedacted());
	check(rooms[0].findEventById(ids[3]).getContent().body === undefined, "the content is still there");

	begin("read");
	const last = rooms[1].findEventById(ids.at(-1));
	await ben.sendReadReceipt(rooms[1].getLiveTimeline().getEvents().at(-1));
	await until(ann, "the receipt", () => rooms[0].hasUserReadEvent(ben.getUserId(), ids.at(-1)));
	await until(ben, "no more unread", () => rooms[1].getUnreadNotificationCount("total") === 0);
	await ben.setRoomReadMarkers(roomId, ids.at(-1), last);
	await until(ben, "the read marker", () => rooms[1].getAccountData("m.fully_read")?.getContent().event_id === ids.at(-1));

	begin("type");
	await ben.sendTyping(roomId, true, 20000);
	await until(ann, "typing", () => rooms[0].getMember(ben.getUserId())?.typing);
	await ben.sendTyping(roomId, false, 0);
	await until(ann, "the end of typing", () => !rooms[0].getMember(ben.getUserId())?.typing);

	begin("state, name and members");
	await ann.setRoomName(roomId, "Common room");
	await until(ben, "the new name", () => rooms[1].name === "Common room");
	await rooms[2].loadMembersIfNeeded();
	check(rooms[2].getJoinedMembers().length === 2, "members on the tablet");

	begin("paginate back on a fresh session");
	const late = session(await anonymous.login("m.login.password", {
		identifier: { type: "m.id.user", user: annAnswer.user_id }, password: "ann's words" }));
	await late.startClient({ initialSyncLimit: 3, pollTimeout: 5000, lazyLoadMembers: true });
	await until(late, "the first sync", () => late.isInitialSyncComplete(), 30);
	const room = late.getRoom(roomId);
	for (let page = 0; page < 30; page++) {
		if (!await late.paginateEventTimeline(room.getLiveTimeline(), { backwards: true, limit: 5 })) {
			break;
		}
	}
	const all = bodies(room).filter((id) => ids.includes(id));
	check(JSON.stringify(all) === JSON.stringify(ids), "paginated " + all.length + " of " + ids.length);
	check(room.getLiveTimeline().getEvents()[0].getType() === "m.room.create", "the beginning was not reached");

	begin("leave");
	await ben.leave(roomId);
	await until(ann, "the leaving", () => rooms[0].getMember(ben.getUserId())?.membership === "leave");
	await until(ben, "one's own leaving", () => rooms[1].getMyMembership() === "leave");
	await ann.sendMessage(roomId, text("alone"));
	await ben.forget(roomId);

	begin("log out");
	await tablet.logout(true);
	const refused = await sdk.createClient({ baseUrl, accessToken: tablet.getAccessToken(), userId: ann.getUserId() })
		.whoami().then(() => null, (error) => error);
	check(refused?.errcode === "M_UNKNOWN_TOKEN", "after the logout: " + refused?.errcode);
	await ann.whoami();
	say("all steps worked");
}

// The library may reject promises of its own in the background; they are shown, and do not decide.
process.on("unhandledRejection", (error) => say("background: " + error));
const watchdog = setTimeout(() => {
	say("FAILED in step '" + step + "': no end in sight");
	process.exit(2);
}, 150000 * slow);

main().then(() => 0, (error) => {
	say("FAILED in step '" + step + "': " + (error?.stack ?? error));
	return 1;
}).then((status) => {
	clearTimeout(watchdog);
	clients.forEach((client) => client.stopClient());
	process.exit(status);
});
