// matrix-js-sdk with its Rust cryptography lives in this homeserver: two people with two devices each verify each other, talk
// in an encrypted room, lose a device, and get the history back from the key backup.
//
//   node encryption.mjs BASE_URL SLOWNESS
//
// Prints each step; ends with status 0 if all of them worked, else names the step and what was missing.
import process from "node:process";
import { begin, bootstrapIdentity, check, encryptedRoom, event, isCrossSigned, login, reads, register, run, say, session, text,
	trusts, unique, until, verifyEachOther, verifyOwn } from "./encrypted_session.mjs";

const baseUrl = process.argv[2];

async function main() {
	begin("register, two devices each");
	const annName = "ann-" + unique, benName = "ben-" + unique;
	const annAnswer = await register(baseUrl, annName), benAnswer = await register(baseUrl, benName);
	const ann = await session(baseUrl, annAnswer), ben = await session(baseUrl, benAnswer);
	const annTablet = await session(baseUrl, await login(baseUrl, annAnswer, annName));
	const benTablet = await session(baseUrl, await login(baseUrl, benAnswer, benName));

	begin("cross-signing, secret storage, key backup");
	for (const client of [ann, ben]) {
		const crypto = client.getCrypto();
		await bootstrapIdentity(client);
		const key = await crypto.createRecoveryKeyFromPassphrase();
		client.recoveryKey = key.privateKey;
		await crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => key, setupNewSecretStorage: true,
			setupNewKeyBackup: true });
		check(await crypto.isCrossSigningReady(), "cross-signing is not ready");
		check(await crypto.isSecretStorageReady(), "secret storage is not ready");
		await until("a key backup", () => crypto.getActiveSessionBackupVersion());
		check(await isCrossSigned(client, client), "the own device is not signed");
	}

	begin("verify the own second device");
	for (const [phone, tablet] of [[ann, annTablet], [ben, benTablet]]) {
		await verifyOwn(phone, tablet);
		await until("the tablet backs up too", () => tablet.getCrypto().getSessionBackupPrivateKey());
	}

	begin("an encrypted room of two");
	const all = [ann, annTablet, ben, benTablet];
	const roomId = await encryptedRoom(ann, ben, all);

	begin("talk, read on all four devices");
	const said = [];
	for (const [number, client] of [ann, ben, annTablet, benTablet, ann].entries()) {
		const body = "line " + number;
		const id = (await client.sendMessage(roomId, text(body))).event_id;
		said.push([id, body]);
		for (const reader of all) {
			await reads(reader, roomId, id, body);
		}
	}
	check(ben.getRoom(roomId).findEventById(said[0][0]).getWireContent().body === undefined, "it was sent in the clear");

	begin("verify each other");
	await verifyEachOther(ann, ben, roomId);
	for (const client of [ann, annTablet]) {
		await trusts(client, ben);
		await until("ben's devices are trusted", () => isCrossSigned(client, benTablet));
	}
	for (const client of [ben, benTablet]) {
		await trusts(client, ann);
	}

	begin("back up");
	await until("the sessions of the talk in the backup", async () => // the library keeps what it asked for itself
		(await ann.http.authedRequest("GET", "/room_keys/version")).count >= 4);

	begin("lose a device");
	await annTablet.logout(true);
	await ann.logout(true);
	await until("ben knows", async () => {
		const devices = (await ben.getCrypto().getUserDeviceInfo([ann.getUserId()])).get(ann.getUserId());
		return !devices?.has(ann.getDeviceId()) && !devices?.has(annTablet.getDeviceId());
	});

	begin("history on a new device, with the recovery key");
	const late = await session(baseUrl, await login(baseUrl, annAnswer, annName), ann.recoveryKey);
	const crypto = late.getCrypto();
	await until("the room", () => late.getRoom(roomId));
	await until("the own identity and device", async () => await crypto.userHasCrossSigningKeys(late.getUserId(), true) &&
		(await crypto.getUserDeviceInfo([late.getUserId()], true)).get(late.getUserId())?.has(late.getDeviceId()));
	await crypto.bootstrapCrossSigning({});
	await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
	check((await crypto.checkKeyBackupAndEnable())?.trustInfo.matchesDecryptionKey, "the backup is not trusted");
	const restored = await crypto.restoreKeyBackup();
	check(restored.imported === restored.total && restored.total >= 4, "restored " + JSON.stringify(restored));
	for (const [id, body] of said) {
		await until("an old line", () => event(late, roomId, id));
		await reads(late, roomId, id, body);
	}
	await until("ben trusts the new device", () => isCrossSigned(ben, late));

	begin("talk on");
	for (const [sender, reader] of [[late, ben], [benTablet, late]]) {
		const body = "again from " + sender.getDeviceId();
		await reads(reader, roomId, (await sender.sendMessage(roomId, text(body))).event_id, body);
	}
	say("all steps worked");
}

run(main, 240);
