// Notices in encrypted rooms, read by matrix-js-sdk's Rust cryptography: by whose devices, and what becomes of it when the server is
// killed, or its database is restored from a dump.
//
//   node notices.mjs BASE_URL SENDER SLOWNESS
//
// What is to be done to the server is asked for by lines ("ask: send ROOM TEXT", "ask: restart"); each is answered by a line on standard
// input. Prints each step; ends with status 0 if all of them worked, else names the step and what was missing.
import process from "node:process";
import { ask, begin, bootstrapIdentity, check, event, login, register, run, say, session, unique, until,
	verifyOwn } from "./encrypted_session.mjs";

const [baseUrl, sender] = process.argv.slice(2, 4);

const room = (client, roomId) => client.getRoom(roomId);
const notices = (client, roomId) => room(client, roomId)?.getLiveTimeline().getEvents()
	.filter((found) => found.getSender() === sender && found.getWireType() === "m.room.encrypted") ?? [];

// What a client has of the sender's events, for failures.
const has = (client, roomId) => notices(client, roomId).map((found) => found.getContent().body ?? found.decryptionFailureReason);

// The sender says it, and each of the clients reads it; the id.
async function send(roomId, body, readers) {
	await ask("send", roomId, body);
	let id;
	for (const reader of readers) {
		const found = await until(reader.getDeviceId() + " reads '" + body + "'",
			() => notices(reader, roomId).find((one) => one.getContent().body === body))
			.catch((error) => { throw new Error(error.message + "; it has " + has(reader, roomId)); });
		id = found.getId();
		check(found.isEncrypted() && found.getType() === "m.room.message", "it was sent in the clear");
		let info; // until it knows the sender's keys it warns
		await until("trust in the sender's device: " + JSON.stringify(info), async () =>
			(info = await reader.getCrypto().getEncryptionInfoForEvent(found))?.shieldColour === 0);
	}
	return id;
}

// What is in an encrypted file, as clients open it. Spec: client-server API, "Sending encrypted attachments"
async function open(client, file) {
	check(file.v === "v2" && file.key.alg === "A256CTR", "no encrypted file");
	const answer = await fetch(client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true),
		{ headers: { Authorization: "Bearer " + client.getAccessToken() } });
	check(answer.status === 200, "the file cannot be downloaded: " + answer.status);
	const ciphertext = new Uint8Array(await answer.arrayBuffer());
	const sum = Buffer.from(await crypto.subtle.digest("SHA-256", ciphertext)).toString("base64").replace(/=+$/, "");
	check(sum === file.hashes.sha256, "the file is another one");
	const key = await crypto.subtle.importKey("jwk", file.key, "AES-CTR", false, ["decrypt"]);
	return Buffer.from(await crypto.subtle.decrypt({ name: "AES-CTR", counter: Buffer.from(file.iv, "base64"), length: 64 },
		key, ciphertext)).toString();
}

// A client that has the room but not the key of an event, and why.
const isWithheld = (client, roomId, id) => until(client.getDeviceId() + " is told why it cannot read", () =>
	event(client, roomId, id)?.decryptionFailureReason === "MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE");

async function main() {
	begin("two guardians; a device of one that nobody has verified");
	const annName = "ann-" + unique;
	const annAnswer = await register(baseUrl, annName);
	const ann = await session(baseUrl, annAnswer);
	await bootstrapIdentity(ann);
	const tablet = await session(baseUrl, await login(baseUrl, annAnswer, annName));
	const ben = await session(baseUrl, await register(baseUrl, "ben-" + unique));
	await bootstrapIdentity(ben);

	begin("a notice in an encrypted room");
	const { room_id: roomId } = await ann.createRoom({ preset: "public_chat", initial_state: [{ type: "m.room.encryption",
		state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
	const first = await send(roomId, "first", [ann]);
	const by = event(ann, roomId, first).getWireContent().device_id;
	const status = await ann.getCrypto().getDeviceVerificationStatus(sender, by);
	check(status?.signedByOwner, "the sender's device is not signed by the sender");
	await isWithheld(tablet, roomId, first);

	begin("who joins later, and a device that is verified meanwhile, read later ones");
	await ben.joinRoom(roomId);
	await verifyOwn(ann, tablet);
	const all = [ann, tablet, ben];
	await send(roomId, "second", all);

	begin("a file behind a notice");
	const wanted = await ask("file", roomId, "form");
	for (const reader of all) {
		const found = await until("the file", () => notices(reader, roomId).find((one) => one.getContent().msgtype === "m.file"));
		check(found.getContent().url === undefined && found.getContent().body === "form.txt", "it is in clear");
		check(await open(reader, found.getContent().file) === wanted, "another file");
	}

	begin("the server is killed");
	await ask("dump");
	await ask("restart");
	await send(roomId, "third", all);

	begin("the database comes back as it was before, with one-time keys that have been used since");
	await ask("restore");
	await send(roomId, "fourth", all);
	say("all steps worked");
}

run(main, 180);
