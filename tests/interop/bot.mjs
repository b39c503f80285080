// matrix-bot-sdk: an application service with puppets, and a bot that syncs, in rooms of a person who uses it too.
//
//   node bot.mjs BASE_URL REGISTRATION SLOWNESS
//
// REGISTRATION is the file that was added to the server, as JSON. Prints each step; ends with status 0 if all of them worked, else
// names the step and what was missing.
import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import process from "node:process";

// Its cryptography is a binary that a script downloads when it is installed, from where no registry vouches for it: we install
// without scripts. The library loads it in any case, so it gets an empty one.
const load = Module._load;
Module._load = function (name, ...rest) {
	return name === "@matrix-org/matrix-sdk-crypto-nodejs" ? {} : load.call(this, name, ...rest);
};
const { Appservice, AutojoinRoomsMixin, LogService, MatrixClient, MemoryStorageProvider } =
	createRequire(import.meta.url)("matrix-bot-sdk");

const [baseUrl, path, slowness = "1"] = process.argv.slice(2);
const registration = JSON.parse(readFileSync(path, "utf8"));
const prefix = registration.namespaces.users[0].regex.slice(1, -2); // of "@prefix.*"
const run = Date.now().toString(36) + process.pid.toString(36);
let step = "start";

const say = (line) => process.stdout.write(line + "\n");
const complaints = [];
const complain = (...words) => complaints.push(words.map(String).join(" "));
LogService.setLogger({ trace() {}, debug() {}, info() {}, warn: complain, error: complain });

function begin(name) {
	step = name;
	say("step: " + name);
}

function check(condition, message) {
	if (!condition) {
		throw new Error(message);
	}
}

// What came so far, and waiting for what has not.
class News {
	items = [];
	waiting = new Set();

	add(kind, ...values) {
		this.items.push([kind, ...values]);
		this.waiting.forEach((look) => look());
	}

	until(what, condition) {
		return new Promise((resolve, reject) => {
			const look = () => {
				const found = this.items.find(condition);
				if (found) {
					clearTimeout(timer);
					this.waiting.delete(look);
					resolve(found);
				}
			};
			const timer = setTimeout(() => reject(new Error("did not come: " + what + "; came: " +
				JSON.stringify(this.items.slice(-5)))), 20000 * Number(slowness));
			this.waiting.add(look);
			look();
		});
	}

	text(body) {
		return this.until(body, ([kind, , event]) => kind === "message" && event.content.body === body);
	}

	bodies() {
		return this.items.filter(([kind]) => kind === "message").map(([, , event]) => event.content.body);
	}
}

async function person(name) {
	const reply = await fetch(baseUrl + "/_matrix/client/v3/register", { method: "POST", body: JSON.stringify({
		username: name + "-" + run, password: name + "'s words", auth: { type: "m.login.dummy" } }) });
	const answer = await reply.json();
	check(reply.ok, "register: " + JSON.stringify(answer));
	const client = new MatrixClient(baseUrl, answer.access_token, new MemoryStorageProvider());
	const news = new News();
	client.on("room.message", (room, event) => news.add("message", room, event));
	client.on("room.invite", (room, event) => news.add("invite", room, event));
	client.on("room.event", (room, event) => news.add("event", room, event));
	return { client, news, userId: answer.user_id, server: answer.user_id.split(":").slice(1).join(":") };
}

function service(homeserverName, storage, news) {
	const bridge = new Appservice({ port: Number(new URL(registration.url).port), bindAddress: "127.0.0.1",
		homeserverName, homeserverUrl: baseUrl, storage, registration });
	AutojoinRoomsMixin.setupOnAppservice(bridge);
	bridge.on("room.message", (room, event) => news.add("message", room, event));
	bridge.on("room.join", (room, event) => news.add("join", room, event));
	bridge.on("ephemeral.event", (event) => news.add("moment", event.room_id, event));
	bridge.on("query.user", (userId, make) => {
		news.add("user wanted", null, userId);
		make(bridge.isNamespacedUser(userId) && !userId.includes("nobody") ? { display_name: "Lin (bridged)" } : false);
	});
	bridge.on("query.room", (alias, make) => {
		news.add("room wanted", null, alias);
		make({ name: "Class 3B", preset: "public_chat", visibility: "private" });
	});
	bridge.on("thirdparty.protocol", (protocol, answer) => answer({ user_fields: ["nick"], location_fields: [], icon: "",
		field_types: { nick: { regexp: ".*", placeholder: "lin" } }, instances: [] }));
	return bridge;
}

async function main() {
	begin("begin");
	const ann = await person("ann");
	const news = new News();
	const storage = new MemoryStorageProvider();
	let bridge = service(ann.server, storage, news);
	await bridge.begin();
	await bridge.botIntent.ensureRegistered();
	await ann.client.start();

	begin("the bot is invited");
	const room = await ann.client.createRoom({ preset: "private_chat", invite: [bridge.botUserId] });
	await news.until("the bot's join", ([kind, where, event]) => kind === "join" && where === room &&
		event.state_key === bridge.botUserId);
	await bridge.botIntent.sendText(room, "the bot is here");
	await ann.news.text("the bot is here");

	begin("a puppet comes into being");
	const lin = bridge.getIntentForSuffix("lin");
	await ann.client.inviteUser(lin.userId, room);
	await news.until("the question", ([kind, , userId]) => kind === "user wanted" && userId === lin.userId);
	await news.until("the puppet's join", ([kind, where, event]) => kind === "join" && where === room &&
		event.state_key === lin.userId);
	check((await ann.client.getUserProfile(lin.userId)).displayname === "Lin (bridged)", "the puppet's name");
	const nobody = await ann.client.getUserProfile("@" + prefix + "nobody:" + ann.server).catch((error) => error);
	check(nobody.errcode === "M_NOT_FOUND", "somebody was made of nobody: " + JSON.stringify(nobody));

	begin("talk");
	await lin.sendText(room, "hello from elsewhere");
	const [, , hello] = await ann.news.text("hello from elsewhere");
	check(hello.sender === lin.userId, "who said it");
	await ann.client.replyText(room, hello, "welcome");
	const [, , welcome] = await news.until("the reply", ([kind, , event]) => kind === "message" &&
		event.content["m.relates_to"]?.["m.in_reply_to"]?.event_id === hello.event_id);
	check(welcome.sender === ann.userId && welcome.room_id === room, "the reply");
	const reaction = await lin.underlyingClient.sendEvent(room, "m.reaction", { "m.relates_to": {
		rel_type: "m.annotation", event_id: welcome.event_id, key: "👍" } });
	await ann.news.until("the reaction", ([kind, , event]) => kind === "event" && event.event_id === reaction);
	const image = await lin.underlyingClient.uploadContent(Buffer.from("not quite an image"), "image/png", "a.png");
	await lin.sendEvent(room, { msgtype: "m.image", body: "a.png", url: image });
	check((await ann.news.text("a.png"))[2].content.url === image, "the image");

	begin("an event of yesterday");
	const yesterday = Date.now() - 86400000;
	const old = await lin.unstableApis.sendEventWithTimestamp(room, "m.room.message",
		{ msgtype: "m.text", body: "said yesterday" }, yesterday);
	const [, , event] = await ann.news.text("said yesterday");
	check(event.event_id === old && event.origin_server_ts === yesterday, "its time");

	begin("receipts and typing");
	await ann.client.sendReadReceipt(room, old);
	await news.until("the receipt", ([kind, where, event]) => kind === "moment" && where === room &&
		event.type === "m.receipt" && event.content[old]?.["m.read"]?.[ann.userId]);
	await ann.client.setTyping(room, true);
	await news.until("typing", ([kind, where, event]) => kind === "moment" && where === room &&
		event.type === "m.typing" && event.content.user_ids.includes(ann.userId));

	begin("a room comes into being");
	const alias = bridge.getAliasForSuffix("3b");
	const joined = await ann.client.joinRoom(alias);
	check((await ann.client.getRoomStateEvent(joined, "m.room.name", "")).name === "Class 3B", "its name");
	check(news.items.some(([kind, , wanted]) => kind === "room wanted" && wanted === alias), "the question");

	begin("its network");
	const found = await ann.client.doRequest("GET", "/_matrix/client/v3/thirdparty/protocol/" + registration.protocols[0]);
	check(found.user_fields[0] === "nick", "the network");
	await bridge.setRoomDirectoryVisibility(registration.protocols[0], joined, "public");
	const listed = await ann.client.doRequest("POST", "/_matrix/client/v3/publicRooms", null, { include_all_networks: true });
	check(listed.chunk.some((entry) => entry.room_id === joined), "the room in the network's directory");

	begin("a restart");
	bridge.stop();
	const said = [1, 2, 3, 4, 5].map((number) => "while you were away " + number);
	for (const body of said) {
		await ann.client.sendText(room, body);
	}
	bridge = service(ann.server, storage, news);
	await bridge.begin();
	await news.text(said[4]);
	const bodies = news.bodies();
	check(JSON.stringify(bodies.slice(-5)) === JSON.stringify(said), "what was said meanwhile, in order, once: " + bodies);

	begin("a bot that syncs");
	const bot = await person("bot");
	AutojoinRoomsMixin.setupOnClient(bot.client);
	bot.client.on("room.message", async (where, event) => {
		if (event.content.body === "!hello") {
			await bot.client.replyNotice(where, event, "Hello, " + event.sender);
		}
	});
	await bot.client.start();
	const office = await ann.client.createRoom({ preset: "private_chat", invite: [bot.userId] });
	await ann.news.until("the bot's join", ([kind, where, event]) => kind === "event" && where === office &&
		event.state_key === bot.userId && event.content.membership === "join");
	await ann.client.sendText(office, "!hello");
	await ann.news.until("its answer", ([kind, where, event]) => kind === "message" && where === office &&
		event.sender === bot.userId && event.content.msgtype === "m.notice" && event.content.body.endsWith("Hello, " + ann.userId));
}

main().then(() => {
	say("all steps worked");
	process.exit(0);
}, (error) => {
	say(`FAILED at: ${step}: ${error.message ?? JSON.stringify(error.body ?? error)}`);
	complaints.slice(-5).forEach((line) => say("  the library said: " + line.slice(0, 500)));
	process.exit(1);
});
