/*
 * An OpenID Connect provider (oidc-provider, certified) on loopback, with its own pages for log-in and consent.
 *
 *     node oidc.mjs PORT REDIRECT_URI          prints a line when it listens
 *
 * Two clients: "basic" (client_secret_basic, RS256) and "post" (client_secret_post, ES256). Whoever logs in as NAME is
 * the subject NAME.
 */
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const key = (type, options, id) => ({
	...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid: id, use: "sig",
});
const client = (id, auth, algorithm) => ({
	client_id: id, client_secret: `${id}:s%cret & more`, redirect_uris: [redirectUri],
	token_endpoint_auth_method: auth, id_token_signed_response_alg: algorithm,
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
	clients: [client("basic", "client_secret_basic", "RS256"), client("post", "client_secret_post", "ES256")],
	jwks: { keys: [key("rsa", { modulusLength: 2048 }, "r1"), key("ec", { namedCurve: "P-256" }, "e1")] },
	claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email", "email_verified"] },
	cookies: { keys: ["only for this test"] },
	findAccount: (_, id) => ({
		accountId: id,
		claims: () => ({
			sub: id, preferred_username: `Lin.${id}`, name: `林 ${id}`, email: `${id}@Post.Example`, email_verified: true,
		}),
	}),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
