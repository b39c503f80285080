// matrix-js-sdk of before the OAuth 2.0 API was specified, which takes the server for an OpenID Connect provider: log-in, and refreshing.
//
//   BELFRY_TEST_SDK=matrix-js-sdk-sliding node oauth_older.mjs BASE_URL SLOWNESS
//
// Asks for what the person does in a browser: "browse ADDRESS"; the answer is where the browser was sent in the end.
import process from "node:process";
import { ask, begin, check, run, sdk } from "./encrypted_session.mjs";

// Where it keeps what it has begun. It expects a browser.
const kept = new Map();
globalThis.window = { location: new URL("https://app.school.example/"), sessionStorage: {
	getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key),
	key: (index) => [...kept.keys()][index], get length() { return kept.size; } } };
globalThis.localStorage = window.sessionStorage;
const path = process.env.BELFRY_TEST_SDK + "/lib/oidc/";
const { generateOidcAuthorizationUrl, completeAuthorizationCodeGrant } = await import(path + "authorize.js");
const { registerOidcClient } = await import(path + "register.js");
const { OidcTokenRefresher } = await import(path + "tokenRefresher.js");
const baseUrl = process.argv[2];
const redirectUri = "https://app.school.example/";

async function main() {
	begin("discover, register");
	const metadata = await sdk.createClient({ baseUrl }).getAuthMetadata();
	check(metadata.signingKeys.length === 1, "keys: " + JSON.stringify(metadata.signingKeys));
	const clientId = await registerOidcClient(metadata, { clientName: "Older app", clientUri: redirectUri, applicationType: "web",
		redirectUris: [redirectUri], contacts: ["it@school.example"], tosUri: redirectUri + "tos", policyUri: redirectUri + "policy" });

	begin("log in");
	const back = new URL(await ask("browse", await generateOidcAuthorizationUrl({ metadata, redirectUri, clientId,
		homeserverUrl: baseUrl, nonce: "n-0S6_WzA2Mj" })));
	const done = await completeAuthorizationCodeGrant(back.searchParams.get("code"), back.searchParams.get("state"));
	const user = await sdk.createClient({ baseUrl, accessToken: done.tokenResponse.access_token }).whoami();
	check(done.idTokenClaims.sub === user.user_id, "claims: " + JSON.stringify(done.idTokenClaims));

	begin("refresh");
	const refresher = new OidcTokenRefresher(metadata.issuer, clientId, redirectUri, user.device_id, done.idTokenClaims);
	await refresher.oidcClientReady;
	const { accessToken } = await refresher.doRefreshAccessToken(done.tokenResponse.refresh_token);
	check((await sdk.createClient({ baseUrl, accessToken }).whoami()).user_id === user.user_id, "whoami");
}

run(main, 100);
