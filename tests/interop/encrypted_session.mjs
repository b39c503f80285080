// What the scripts with matrix-js-sdk's Rust cryptography share: sessions, waiting, verification by emoji, and asking the test for
// something that is to be done to a server.
//
//   import { begin, check, run, session, until } from "./encrypted_session.mjs";
//   run(main, 120);
//
// The slowness by which limits are stretched is the last argument of the script.
import { webcrypto } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline";

// The library talks a lot; only what this script says is shown.
export const say = (line) => process.stdout.write(line + "\n");
for (const name of ["trace", "debug", "log", "info", "warn", "error"]) {
	console[name] = () => {};
}
// Debian's Node.js 18 has it in its module only; the library wants it where browsers have it.
globalThis.crypto ??= webcrypto;
// Newer versions of the library want what Node.js has from 22 on.
Promise.withResolvers ??= function () {
	const parts = {};
	parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
	return parts;
};
export const sdk = await import(process.env.BELFRY_TEST_SDK ?? "matrix-js-sdk");

const slow = Number(process.argv.at(-1));
export const unique = Date.now().toString(36) + process.pid.toString(36);
const MEGOLM = "m.megolm.v1.aes-sha2";
const SAS = "m.sas.v1";
let step = "start";
const clients = [];

export function begin(name) {
	step = name;
	say("step: " + name);
}

// Asks by a line ("ask: send ROOM TEXT"); the answer is a line on standard input.
let answers;
export async function ask(...words) {
	answers ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
	say("ask: " + words.join(" "));
	return (await answers.next()).value;
}

export function check(condition, message) {
	if (!condition) {
		throw new Error(message);
	}
}

// Resolves with the first true value of condition(), which may be a promise; looked at again and again.
export async function until(what, condition, limitS = 30) {
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

// A client of `baseUrl` for an answer to /register or /login, after its first sync; options(client) are those with which it starts.
export async function session(baseUrl, answer, recoveryKey, options = () => ({})) {
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
	await client.startClient({ initialSyncLimit: 30, pollTimeout: 5000, ...options(client) });
	await until("the first sync", () => client.isInitialSyncComplete());
	return client;
}

// Both sides see the same emoji, say so, and are done.
export async function compare(asking, request, answering, otherRequest) {
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

export const text = (body) => ({ msgtype: "m.text", body });
export const event = (client, roomId, id) => client.getRoom(roomId)?.findEventById(id);

export async function reads(client, roomId, id, body) {
	await until(client.getDeviceId() + " reads '" + body + "'", () => {
		const found = event(client, roomId, id);
		return found && !found.isBeingDecrypted() && found.isEncrypted() && found.getContent().body === body;
	});
}

export const isCrossSigned = async (viewer, owner) =>
	(await viewer.getCrypto().getDeviceVerificationStatus(owner.getUserId(), owner.getDeviceId()))?.crossSigningVerified;

export const register = (baseUrl, name) => sdk.createClient({ baseUrl }).registerRequest({ username: name,
	password: name + "'s words", auth: { type: "m.login.dummy" } });
export const login = (baseUrl, answer, name) => sdk.createClient({ baseUrl }).login("m.login.password", {
	identifier: { type: "m.id.user", user: answer.user_id }, password: name + "'s words" });

export const bootstrapIdentity = (client) => client.getCrypto().bootstrapCrossSigning({
	authUploadDeviceSigningKeys: (makeRequest) => makeRequest(null) });

// The person at `phone` compares emoji with his own new device, which becomes one of the identity's.
export async function verifyOwn(phone, tablet) {
	await until("the tablet knows the identity",
		() => tablet.getCrypto().userHasCrossSigningKeys(tablet.getUserId(), true));
	await until("the phone knows the tablet", async () =>
		(await phone.getCrypto().getUserDeviceInfo([phone.getUserId()], true)).get(phone.getUserId())
			?.has(tablet.getDeviceId()));
	const request = await phone.getCrypto().requestOwnUserVerification();
	const other = await until("the request", () =>
		tablet.requests.find(({ transactionId }) => transactionId === request.transactionId));
	await compare(phone, request, tablet, other);
	await until("the tablet is signed", () => isCrossSigned(phone, tablet));
	await until("the tablet has the secrets", () => tablet.getCrypto().isCrossSigningReady());
}

// Two people in a room verify each other.
export async function verifyEachOther(ann, ben, roomId) {
	const request = await ann.getCrypto().requestVerificationDM(ben.getUserId(), roomId);
	const other = await until("the request", () => ben.getCrypto().findVerificationRequestDMInProgress(roomId,
		ann.getUserId()));
	await compare(ann, request, ben, other);
}

export const trusts = (viewer, person) => until(viewer.getDeviceId() + " trusts " + person.getUserId(), async () =>
	(await viewer.getCrypto().getUserVerificationStatus(person.getUserId())).isCrossSigningVerified());

// An encrypted room of ann's that ben joins; all of the clients have it then.
export async function encryptedRoom(ann, ben, all) {
	const { room_id: roomId } = await ann.createRoom({ preset: "trusted_private_chat", is_direct: true,
		invite: [ben.getUserId()], initial_state: [{ type: "m.room.encryption", state_key: "",
			content: { algorithm: MEGOLM } }] });
	await until("the invite", () => ben.getRoom(roomId)?.getMyMembership() === "invite");
	await ben.joinRoom(roomId);
	for (const client of all) {
		await until("the room", () => client.getRoom(roomId)?.getJoinedMemberCount() === 2 &&
			client.getRoom(roomId).hasEncryptionStateEvent());
	}
	return roomId;
}

// Runs the script, which may take so many seconds, and ends the process.
export function run(main, limitS) {
	// The library may reject promises of its own in the background; they are shown, and do not decide.
	process.on("unhandledRejection", (error) => say("background: " + error));
	const watchdog = setTimeout(() => {
		say("FAILED in step '" + step + "': no end in sight");
		process.exit(2);
	}, limitS * 1000 * slow);
	main().then(() => 0, (error) => {
		say("FAILED in step '" + step + "': " + (error?.stack ?? error));
		return 1;
	}).then((status) => {
		clearTimeout(watchdog);
		clients.forEach((client) => client.stopClient());
		process.exit(status);
	});
}
