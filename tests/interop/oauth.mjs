// matrix-js-sdk by the OAuth 2.0 API: a client registers, a person lets it in on the server's pages, tokens end and are refreshed, keys are
// reset, and it logs out; then a device without a browser.
//
//   BELFRY_TEST_SDK=matrix-js-sdk-oauth node oauth.mjs BASE_URL SLOWNESS
//
// Asks for what the person does in a browser: "browse ADDRESS" (the answer: where the browser was sent in the end), "approve ADDRESS".
import process from "node:process";
import { ask, begin, check, run, sdk, text, unique, until } from "./encrypted_session.mjs";

const { OAuth2 } = await import(process.env.BELFRY_TEST_SDK + "/lib/oauth/index.js");
const baseUrl = process.argv[2];
const redirect = "http://127.0.0.1:5173/callback";
const metadata = { client_name: "School app", client_uri: "https://app.school.example/", application_type: "native",
	redirect_uris: ["http://127.0.0.1/callback"] };

// A client with the tokens; `refreshed` counts how often it got new ones.
async function session(auth, tokens) {
	const user = await sdk.createClient({ baseUrl, accessToken: tokens.access_token }).whoami();
	check(user.device_id === auth.context.deviceId, "device: " + user.device_id);
	const client = sdk.createClient({ baseUrl, userId: user.user_id, deviceId: user.device_id, accessToken: tokens.access_token,
		refreshToken: tokens.refresh_token, oauthClientId: auth.context.clientId, onTokenRefresh: () => { client.refreshed++; } });
	client.refreshed = 0;
	await client.initRustCrypto({ useIndexedDB: false });
	await client.startClient({ pollTimeout: 1000 });
	await until("the first sync", () => client.isInitialSyncComplete());
	return client;
}

// New keys; those in the place of older ones only after the person said so on a page.
async function resetKeys(client, isAsked) {
	let asked = 0;
	await client.getCrypto().bootstrapCrossSigning({ setupNewCrossSigning: true,
		authUploadDeviceSigningKeys: (upload) => upload(null).catch(async (error) => {
			const stage = error.data.params["m.oauth"];
			check(error.httpStatus === 401 && error.data.flows.some(({ stages }) => stages[0] === "m.oauth"), "flows: " + error);
			asked++;
			await ask("approve", stage.url);
			return upload({ session: error.data.session });
		}) });
	check(asked === (isAsked ? 1 : 0), "asked " + asked + " times");
}

async function main() {
	begin("discover, register");
	const found = await sdk.createClient({ baseUrl }).getAuthMetadata();
	const clientId = await OAuth2.registerClient(found, metadata);
	check(clientId === await OAuth2.registerClient(found, metadata), "the same client has another id");

	begin("log in");
	const auth = new OAuth2(found, { clientId });
	const back = new URL(await ask("browse", await auth.generateAuthorizationCodeGrantUrl("s-" + unique, redirect)));
	const answer = new URLSearchParams(back.hash.slice(1));
	check(back.href.startsWith(redirect) && answer.get("state") === "s-" + unique, "back: " + back);
	const client = await session(auth, await auth.completeAuthorizationCodeGrant(answer.get("code"), redirect));

	begin("talk while tokens end");
	const { room_id: roomId } = await client.createRoom({ name: "Staff room" });
	let said = 0;
	await until("new tokens, thrice", async () => {
		await client.sendMessage(roomId, text("line " + ++said));
		return client.refreshed >= 3;
	}, 60);
	await until("all that was said", () => client.getRoom(roomId)?.getLiveTimeline().getEvents()
		.filter((event) => event.getType() === "m.room.message" && !event.status).length === said);

	begin("keys, and keys in their place");
	await resetKeys(client, false);
	await resetKeys(client, true);

	begin("log out");
	const token = client.getRefreshToken();
	await client.logout(true);
	const refused = await auth.performRefreshTokenGrant(token).catch((error) => error);
	check(refused.httpStatus === 400, "after the end: " + refused);

	begin("a device without a browser");
	const other = new OAuth2(found, { clientId });
	const shown = await other.startDeviceAuthorizationGrant();
	await ask("browse", shown.verification_uri_complete);
	const tokens = await other.waitForDeviceAuthorizationGrant(shown);
	check(tokens.access_token, "tokens: " + JSON.stringify(tokens));
	(await session(other, tokens)).stopClient();
}

run(main, 200);
