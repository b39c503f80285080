// matrix-js-sdk with its Rust cryptography lives in this homeserver: two people with two devices each verify each other, talk
// in an encrypted room, lose a device, and get the history back from the key backup.
//
//   node encryption.mjs BASE_URL SLOWNESS
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
const MEGOLM = "m.megolm.v1.aes-sha2", SAS = "m.sas.v1";
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

// Resolves with the first true value of condition(), which may be a promise; looked at again and again.
async function until(what, condition, limitS = 30) {
	const end = Date.now() + limitS * 1000 * slow;
	while (Date.now() < end) {
		const found = await condition();
		if (found) {
			return found;
		}
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	throw new Error("did not come: " + what);
}

async function session(answer, recoveryKey) {
	const client = sdk.createClient({ baseUrl, userId: answer.user_id, accessToken: answer.access_token,
		deviceId: answer.device_id, timelineSupport: true, verificationMethods: [SAS],
		cryptoCallbacks: {
			getSecretStorageKey: async ({ keys }) => client.recoveryKey && [Object.keys(keys)[0], client.recoveryKey],
		} });
	client.recoveryKey = recoveryKey;
	client.requests = [];
	client.on("crypto.verificationRequestReceived", (request) => client.requests.push(request));
	clients.push(client);
	await client.initRustCrypto({ useIndexedDB: false });
	await client.startClient({ initialSyncLimit: 30, pollTimeout: 5000 });
	await until("the first sync", () => client.isInitialSyncComplete());
	return client;
}

// Both sides see the same emoji, say so, and are done.
async function compare(asking, request, answering, otherRequest) {
	await otherRequest.accept();
	await until("readiness", () => request.phase === 3 && otherRequest.phase === 3);
	const verifier = await request.startVerification(SAS);
	const other = await until("the start", () => otherRequest.verifier);
	const shown = [];
	for (const side of [verifier, other]) {
		side.on("show_sas", (sas) => shown.push(sas));
	}
	const ends = [verifier.verify(), other.verify()];
	ends.forEach((end) => end.catch(() => {}));
	await until("the emoji", () => shown.length === 2);
	check(JSON.stringify(shown[0].sas.decimal) === JSON.stringify(shown[1].sas.decimal), "the two see different emoji");
	await Promise.all(shown.map((sas) => sas.confirm()));
	await Promise.all(ends);
}

const text = (body) => ({ msgtype: "m.text", body });
const event = (client, roomId, id) => client.getRoom(roomId)?.findEventById(id);

async function reads(client, roomId, id, body) {
	await until(client.getDeviceId() + " reads '" + body + "'", () => {
		const found = event(client, roomId, id);
		return found && !found.isBeingDecrypted() && found.isEncrypted() && found.getContent().body === body;
	});
}

const isCrossSigned = async (viewer, owner) =>
	(await viewer.getCrypto().getDeviceVerificationStatus(owner.getUserId(), owner.getDeviceId()))?.crossSigningVerified;

async function main() {
	begin("register, two devices each");
	const anonymous = sdk.createClient({ baseUrl });
	const register = (name) => anonymous.registerRequest({ username: name, password: name + "'s words",
		auth: { type: "m.login.dummy" } });
	const login = (answer, name) => anonymous.login("m.login.password", {
		identifier: { type: "m.id.user", user: answer.user_id }, password: name + "'s words" });
	const annName = "ann-" + run, benName = "ben-" + run;
	const annAnswer = await register(annName), benAnswer = await register(benName);
	const ann = await session(annAnswer), ben = await session(benAnswer);
	const annTablet = await session(await login(annAnswer, annName));
	const benTablet = await session(await login(benAnswer, benName));

	begin("cross-signing, secret storage, key backup");
	const withoutProof = { authUploadDeviceSigningKeys: (makeRequest) => makeRequest(null) };
	for (const client of [ann, ben]) {
		const crypto = client.getCrypto();
		await crypto.bootstrapCrossSigning(withoutProof);
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
		await until("the tablet knows the identity",
			() => tablet.getCrypto().userHasCrossSigningKeys(tablet.getUserId(), true));
		await until("the phone knows the tablet", async () =>
			(await phone.getCrypto().getUserDeviceInfo([phone.getUserId()], true)).get(phone.getUserId())
				?.has(tablet.getDeviceId()));
		const request = await phone.getCrypto().requestOwnUserVerification();
		const other = await until("the request", () => tablet.requests.at(-1));
		await compare(phone, request, tablet, other);
		await until("the tablet is signed", () => isCrossSigned(phone, tablet));
		await until("the tablet has the secrets", () => tablet.getCrypto().isCrossSigningReady());
		await until("the tablet backs up too", () => tablet.getCrypto().getSessionBackupPrivateKey());
	}

	begin("an encrypted room of two");
	const { room_id: roomId } = await ann.createRoom({ preset: "trusted_private_chat", is_direct: true,
		invite: [ben.getUserId()], initial_state: [{ type: "m.room.encryption", state_key: "",
			content: { algorithm: MEGOLM } }] });
	await until("the invite", () => ben.getRoom(roomId)?.getMyMembership() === "invite");
	await ben.joinRoom(roomId);
	const all = [ann, annTablet, ben, benTablet];
	for (const client of all) {
		await until("the room", () => client.getRoom(roomId)?.getJoinedMemberCount() === 2 &&
			client.getRoom(roomId).hasEncryptionStateEvent());
	}

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
	const request = await ann.getCrypto().requestVerificationDM(ben.getUserId(), roomId);
	const other = await until("the request", () => ben.getCrypto().findVerificationRequestDMInProgress(roomId,
		ann.getUserId()));
	await compare(ann, request, ben, other);
	const verified = (viewer, person) => until(viewer.getDeviceId() + " trusts " + person.getUserId(), async () =>
		(await viewer.getCrypto().getUserVerificationStatus(person.getUserId())).isCrossSigningVerified());
	for (const client of [ann, annTablet]) {
		await verified(client, ben);
		await until("ben's devices are trusted", () => isCrossSigned(client, benTablet));
	}
	for (const client of [ben, benTablet]) {
		await verified(client, ann);
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
	const late = await session(await login(annAnswer, annName), ann.recoveryKey);
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

// The library may reject promises of its own in the background; they are shown, and do not decide.
process.on("unhandledRejection", (error) => say("background: " + error));
const watchdog = setTimeout(() => {
	say("FAILED in step '" + step + "': no end in sight");
	process.exit(2);
}, 240000 * slow);

main().then(() => 0, (error) => {
	say("FAILED in step '" + step + "': " + (error?.stack ?? error));
	return 1;
}).then((status) => {
	clearTimeout(watchdog);
	clients.forEach((client) => client.stopClient());
	process.exit(status);
});
