// matrix-js-sdk: a new device is signed in by one that is, by a QR code: each of the two shows it once. What the camera would see is handed over.
// In the end the new device has the account's secrets, is verified, and reads what was said before it was there.
//
//   BELFRY_TEST_SDK=matrix-js-sdk-oauth node oauth_qr.mjs BASE_URL SLOWNESS
//
// Asks for what the person does in a browser: "browse ADDRESS" (the answer: where the browser was sent in the end).
import { createRequire } from "node:module";
import process from "node:process";
import { ask, begin, check, isCrossSigned, reads, run, sdk, text, unique, until } from "./encrypted_session.mjs";

const name = process.env.BELFRY_TEST_SDK;
const { OAuth2 } = await import(name + "/lib/oauth/index.js");
const { MSC4108RendezvousSession, MSC4108SecureChannel, MSC4108SignInWithQR, isSignInWithQRAvailable, linkNewDeviceByGeneratingQR,
	signInByGeneratingQR } = await import(name + "/lib/rendezvous/index.js");
// The library's own copy.
const wasm = createRequire(createRequire(import.meta.url).resolve(name)).resolve("@matrix-org/matrix-sdk-crypto-wasm");
const { QrCodeData, QrCodeIntent } = await import(wasm.replace(/\.cjs$/, ".mjs"));

const baseUrl = process.argv[2];
const redirect = "http://127.0.0.1:5173/callback";
const metadata = { client_name: "School app", client_uri: "https://app.school.example/", application_type: "native",
	redirect_uris: ["http://127.0.0.1/callback"] };
const never = new AbortController().signal;
const failures = [];
const onFailure = (reason) => failures.push(reason);

async function session(tokens, clientId) {
	const user = await sdk.createClient({ baseUrl, accessToken: tokens.access_token }).whoami();
	const client = sdk.createClient({ baseUrl, userId: user.user_id, deviceId: user.device_id, accessToken: tokens.access_token,
		refreshToken: tokens.refresh_token, oauthClientId: clientId });
	await client.initRustCrypto({ useIndexedDB: false });
	return client;
}

async function start(client) {
	await client.startClient({ initialSyncLimit: 30, pollTimeout: 1000 });
	await until("the first sync", () => client.isInitialSyncComplete());
}

// The device on which somebody is signed in, with keys and a backup of those of its rooms.
async function signedIn(clientId, found) {
	const auth = new OAuth2(found, { clientId });
	const back = new URL(await ask("browse", await auth.generateAuthorizationCodeGrantUrl("s-" + unique, redirect)));
	const code = new URLSearchParams(back.hash.slice(1)).get("code");
	const client = await session(await auth.completeAuthorizationCodeGrant(code, redirect), clientId);
	await start(client);
	await client.getCrypto().bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(null) });
	await client.getCrypto().resetKeyBackup();
	await client.getCrypto().checkKeyBackupAndEnable();
	return client;
}

// The flow of who has seen a QR code.
function scan(bytes, client) {
	const code = QrCodeData.fromBytes(bytes);
	check(code.rendezvousUrl.startsWith(baseUrl), "address: " + code.rendezvousUrl);
	check(code.mode === (client ? QrCodeIntent.Login : QrCodeIntent.Reciprocate), "intent: " + code.mode);
	const channel = new MSC4108SecureChannel(new MSC4108RendezvousSession({ url: code.rendezvousUrl, onFailure }), code.publicKey, onFailure);
	return { flow: new MSC4108SignInWithQR(channel, true, client, onFailure), url: code.rendezvousUrl };
}

// What the new device does, from the code to the secrets.
async function comeIn(flow, clientId, found, deviceId) {
	await flow.negotiateProtocols();
	await flow.deviceAuthorizationGrant({ metadata: found, clientId, deviceId });
	const client = await session(await flow.completeLoginOnNewDevice({ clientId }), clientId);
	check(client.getDeviceId() === deviceId, "device: " + client.getDeviceId());
	const { secrets } = await flow.shareSecrets();
	await client.getCrypto().importSecretsBundle(secrets);
	await start(client);
	await until("its own keys are at the server, and the account's", async () =>
		await client.getCrypto().userHasCrossSigningKeys(client.getUserId(), true) &&
		(await client.getCrypto().getUserDeviceInfo([client.getUserId()], true)).get(client.getUserId())?.has(deviceId));
	await client.getCrypto().crossSignDevice(deviceId);
	await client.getCrypto().checkKeyBackupAndEnable();
	await flow.close();
	return client;
}

// What the other one does: its person says on the server's page whether it is their device.
async function letIn(flow) {
	await flow.negotiateProtocols();
	const { verificationUri } = await flow.deviceAuthorizationGrant();
	const shared = flow.shareSecrets();
	await ask("browse", verificationUri);
	await shared;
}

async function meet(old, coming, leading, url) {
	const [client] = await Promise.all([coming, leading]);
	check(failures.length === 0, "failures: " + failures);
	check((await fetch(url)).status === 404, "the session is still there");
	await until("the old device trusts the new one", async () => {
		await old.getCrypto().getUserDeviceInfo([old.getUserId()], true);
		return isCrossSigned(old, client);
	});
	check(await client.getCrypto().isCrossSigningReady(), "the new device lacks secrets");
	check(await isCrossSigned(client, old), "the new device does not trust the old one");
	return client;
}

async function main() {
	begin("somebody is signed in");
	const found = await sdk.createClient({ baseUrl }).getAuthMetadata();
	const clientId = await OAuth2.registerClient(found, metadata);
	const old = await signedIn(clientId, found);
	check(await isSignInWithQRAvailable(old), "sign-in by a QR code is not there");

	begin("something is said");
	const { room_id: roomId } = await old.createRoom({ name: "Staff room", initial_state: [
		{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
	await until("the room is encrypted", () => old.getRoom(roomId)?.hasEncryptionStateEvent());
	const { event_id: said } = await old.sendMessage(roomId, text("said before"));
	await until("its key is in the backup", async () => // the library keeps what it asked for itself
		(await old.http.authedRequest("GET", "/room_keys/version")).count > 0);

	begin("the new device shows the code");
	const stranger = sdk.createClient({ baseUrl });
	const shown = await signInByGeneratingQR(stranger, onFailure, never);
	const seen = scan(shown.code, old);
	const phone = await meet(old, comeIn(shown, clientId, found, "PHONE" + unique), letIn(seen.flow), seen.url);
	check(shown.checkCode?.length === 2 && shown.checkCode === seen.flow.checkCode, "check code: " + shown.checkCode);
	await phone.getCrypto().restoreKeyBackup();
	await reads(phone, roomId, said, "said before");

	begin("the other device shows the code");
	const offered = await linkNewDeviceByGeneratingQR(phone, onFailure, never);
	const scanned = scan(offered.code, undefined);
	const tablet = await meet(phone, comeIn(scanned.flow, clientId, found, "TABLET" + unique), letIn(offered), scanned.url);
	await tablet.getCrypto().restoreKeyBackup();
	await reads(tablet, roomId, said, "said before");
	for (const client of [old, phone, tablet]) {
		client.stopClient();
	}
}

run(main, 200);
