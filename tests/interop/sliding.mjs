// matrix-js-sdk by simplified sliding sync: two people, three sessions, a room in the clear and an encrypted one.
//
//   BELFRY_TEST_SDK=matrix-js-sdk-sliding node sliding.mjs BASE_URL SLOWNESS
//
// Prints each step; ends with status 0 if all of them worked, else names the step and what was missing.
import process from "node:process";
import { begin, check, encryptedRoom, event, login, reads, register, run, say, session, text, unique, until } from "./encrypted_session.mjs";

const { SlidingSync } = await import(process.env.BELFRY_TEST_SDK + "/lib/sliding-sync.js");
const baseUrl = process.argv[2];
const state = [["*", "*"]];

// A session that syncs by a list of all its rooms, the newest 20.
async function slide(answer) {
	const client = await session(baseUrl, answer, undefined, (started) => ({ slidingSync: new SlidingSync(baseUrl,
		new Map([["all", { ranges: [[0, 19]], timeline_limit: 20, required_state: state, filters: {} }]]),
		{ timeline_limit: 20, required_state: state }, started, 5000) }));
	client.paths = new Set();
	const request = client.http.authedRequest.bind(client.http);
	client.http.authedRequest = (method, path, ...rest) => {
		client.paths.add((rest[2]?.prefix ?? "") + path);
		return request(method, path, ...rest);
	};
	return client;
}

const bodies = (client, roomId) => client.getRoom(roomId).getLiveTimeline().getEvents()
	.filter((told) => told.getType() === "m.room.message").map((told) => told.getContent().body);

async function main() {
	begin("register, three sessions");
	const annName = "ann-" + unique, benName = "ben-" + unique;
	const annAnswer = await register(baseUrl, annName), benAnswer = await register(baseUrl, benName);
	const ann = await slide(annAnswer), ben = await slide(benAnswer);
	const tablet = await slide(await login(baseUrl, annAnswer, annName));
	const all = [ann, ben, tablet];

	begin("create, invite, join");
	const { room_id: roomId } = await ann.createRoom({ name: "Staff room", preset: "private_chat", invite: [ben.getUserId()] });
	await until("the invite", () => ben.getRoom(roomId)?.getMyMembership() === "invite");
	check(ben.getRoom(roomId).name === "Staff room", "name of the invite: " + ben.getRoom(roomId).name);
	await ben.joinRoom(roomId);
	for (const client of all) {
		await until("the room of two", () => client.getRoom(roomId)?.getMyMembership() === "join" &&
			client.getRoom(roomId).getJoinedMemberCount() === 2);
		check(client.getRoom(roomId).name === "Staff room", "name: " + client.getRoom(roomId).name);
	}

	begin("talk");
	const said = [];
	for (let number = 0; number < 10; number++) {
		said.push("line " + number);
		const { event_id: id } = await [ann, ben][number % 2].sendMessage(roomId, text(said.at(-1)));
		for (const client of all) {
			await until("'" + said.at(-1) + "'", () => event(client, roomId, id)?.getContent().body === said.at(-1));
		}
	}
	for (const client of all) {
		check(JSON.stringify(bodies(client, roomId)) === JSON.stringify(said), "the talk: " + bodies(client, roomId));
	}

	begin("read, type, name");
	const last = ben.getRoom(roomId).getLiveTimeline().getEvents().at(-1);
	await ben.sendReadReceipt(last);
	await until("the receipt", () => ann.getRoom(roomId).hasUserReadEvent(ben.getUserId(), last.getId()));
	await ben.sendTyping(roomId, true, 20000);
	await until("typing", () => ann.getRoom(roomId).getMember(ben.getUserId())?.typing);
	await ben.sendTyping(roomId, false, 0);
	await until("the end of typing", () => !ann.getRoom(roomId).getMember(ben.getUserId()).typing);
	await ann.setRoomName(roomId, "Common room");
	await until("the new name", () => ben.getRoom(roomId).name === "Common room");

	begin("account data");
	await ann.setAccountData("org.example.x", { n: 1 });
	await until("it on the tablet", () => tablet.getAccountData("org.example.x")?.getContent().n === 1);
	await ann.setRoomTag(roomId, "m.favourite", { order: 0.5 });
	await until("the tag on the tablet", () => tablet.getRoom(roomId).tags["m.favourite"]?.order === 0.5);

	begin("an encrypted room");
	const secretId = await encryptedRoom(ann, ben, all);
	await until("ann knows all devices", async () => (await ann.getCrypto().getUserDeviceInfo([ann.getUserId()], true))
		.get(ann.getUserId())?.has(tablet.getDeviceId()));
	await until("ben knows all devices", async () => (await ben.getCrypto().getUserDeviceInfo([ann.getUserId()], true))
		.get(ann.getUserId())?.size === 2);
	for (const [number, client] of [ann, ben, tablet, ann].entries()) {
		const body = "secret " + number;
		const { event_id: id } = await client.sendMessage(secretId, text(body));
		for (const reader of all) {
			await reads(reader, secretId, id, body);
		}
	}

	begin("a session of later");
	const late = await slide(await login(baseUrl, benAnswer, benName));
	await until("the rooms", () => late.getRoom(roomId) && late.getRoom(secretId));
	check(JSON.stringify(bodies(late, roomId)) === JSON.stringify(said), "the talk of before: " + bodies(late, roomId));
	await until("ann knows the new device", async () => (await ann.getCrypto().getUserDeviceInfo([ben.getUserId()], true))
		.get(ben.getUserId())?.has(late.getDeviceId()));
	const { event_id: id } = await ann.sendMessage(secretId, text("to the new one too"));
	await reads(late, secretId, id, "to the new one too");

	begin("leave");
	await ben.leave(roomId);
	await until("the leaving", () => ann.getRoom(roomId).getMember(ben.getUserId())?.membership === "leave");

	begin("what was used");
	for (const client of all) {
		const syncs = [...client.paths].filter((path) => path.endsWith("/sync"));
		check(syncs.length === 1 && syncs[0].includes("simplified_msc3575"), "paths: " + [...client.paths]);
	}
	say("all steps worked");
}

run(main, 180);
