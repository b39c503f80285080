// Encryption across homeservers, with matrix-js-sdk's Rust cryptography: two people on two servers talk in an encrypted room,
// verify each other, get a second device each, and lose it again; and the one at the other server reads the notices of a school.
//
//   node encryption_federated.mjs BASE_URL OTHER_BASE_URL SENDER SLOWNESS
//
// Asks for notices by lines (encrypted_session.mjs). Prints each step; ends with status 0 if all of them worked, else names the step and what was missing.
import process from "node:process";
import { ask, begin, bootstrapIdentity, check, encryptedRoom, isCrossSigned, login, reads, register, run, say, session, text, trusts,
	unique, until, verifyEachOther, verifyOwn } from "./encrypted_session.mjs";

const [here, there, sender] = process.argv.slice(2, 5);

async function devices(viewer, owner) {
	return (await viewer.getCrypto().getUserDeviceInfo([owner.getUserId()])).get(owner.getUserId()) ?? new Map();
}

async function talk(roomId, senders, readers, word) {
	for (const sender of senders) {
		const body = word + " from " + sender.getDeviceId();
		const id = (await sender.sendMessage(roomId, text(body))).event_id;
		for (const reader of readers) {
			await reads(reader, roomId, id, body);
		}
	}
}

async function main() {
	begin("register, cross-signing keys");
	const annName = "ann-" + unique, zoeName = "zoe-" + unique;
	const annAnswer = await register(here, annName), zoeAnswer = await register(there, zoeName);
	const ann = await session(here, annAnswer), zoe = await session(there, zoeAnswer);
	await bootstrapIdentity(ann);
	await bootstrapIdentity(zoe);

	begin("an encrypted room across the servers");
	const roomId = await encryptedRoom(ann, zoe, [ann, zoe]);
	for (const [viewer, owner] of [[ann, zoe], [zoe, ann]]) {
		await until("the other's device", async () => (await devices(viewer, owner)).has(owner.getDeviceId()));
		await until("the other's identity", () => viewer.getCrypto().userHasCrossSigningKeys(owner.getUserId(), true));
	}

	begin("talk");
	await talk(roomId, [ann, zoe, ann], [ann, zoe], "first");

	begin("verify each other");
	await verifyEachOther(ann, zoe, roomId);
	await trusts(ann, zoe);
	await trusts(zoe, ann);

	begin("a second device each, signed by its owner");
	const annTablet = await session(here, await login(here, annAnswer, annName));
	const zoeTablet = await session(there, await login(there, zoeAnswer, zoeName));
	await verifyOwn(ann, annTablet);
	await verifyOwn(zoe, zoeTablet);
	for (const [viewer, tablet] of [[ann, zoeTablet], [zoe, annTablet]]) {
		await until("the other's tablet is trusted", () => isCrossSigned(viewer, tablet));
	}
	const all = [ann, annTablet, zoe, zoeTablet];
	for (const client of all) {
		await until("the room", () => client.getRoom(roomId)?.hasEncryptionStateEvent());
	}
	for (const [viewer, owner, tablet] of [[annTablet, zoe, zoeTablet], [zoeTablet, ann, annTablet]]) {
		await until("both devices of the other", async () => {
			const found = await devices(viewer, owner);
			return found.has(owner.getDeviceId()) && found.has(tablet.getDeviceId());
		});
	}

	begin("talk, read on all four devices");
	await talk(roomId, all, all, "second");

	begin("the tablets end");
	await annTablet.logout(true);
	await zoeTablet.logout(true);
	for (const [viewer, owner, tablet] of [[ann, zoe, zoeTablet], [zoe, ann, annTablet]]) {
		await until("the other's tablet is gone", async () => {
			const found = await devices(viewer, owner);
			return found.has(owner.getDeviceId()) && !found.has(tablet.getDeviceId());
		});
	}

	begin("talk on");
	await talk(roomId, [ann, zoe], [ann, zoe], "third");
	check((await zoe.getCrypto().getUserVerificationStatus(ann.getUserId())).isCrossSigningVerified(), "trust is gone");

	begin("a notice of the school in the encrypted room, read at the other server");
	await ann.invite(roomId, sender);
	const found = (reader, id, body) => until(reader.getDeviceId() + " reads '" + body + "'", () => reader.getRoom(id)
		?.getLiveTimeline().getEvents().find((one) => one.getSender() === sender && one.getContent().body === body));
	await ask("send", roomId, "sealed");
	check((await found(zoe, roomId, "sealed")).isEncrypted(), "it came in clear");

	begin("one in a room in clear");
	const { room_id: openId } = await ann.createRoom({ preset: "private_chat", invite: [zoe.getUserId(), sender] });
	await until("the invite", () => zoe.getRoom(openId)?.getMyMembership() === "invite");
	await zoe.joinRoom(openId);
	await ask("send", openId, "open");
	check(!(await found(zoe, openId, "open")).isEncrypted(), "it came encrypted");
	say("all steps worked");
}

run(main, 120);
