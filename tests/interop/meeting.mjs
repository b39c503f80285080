// A meeting by matrix-js-sdk (what Element Call runs on): who leaves, and whose program is killed, is out of it.
//
//   BELFRY_TEST_SDK=matrix-js-sdk-oauth node meeting.mjs BASE_URL SLOWNESS
//
// Starts itself once more as the member that is killed: with `member`, an access token, a user, a device and a room before these two.
import { spawn } from "node:child_process";
import process from "node:process";
import { begin, check, login, register, run, say, sdk, session, unique, until } from "./encrypted_session.mjs";

const { MatrixRTCSessionEvent } = await import(process.env.BELFRY_TEST_SDK + "/lib/matrixrtc/index.js");
const isMember = process.argv[2] === "member";
const baseUrl = process.argv.at(-2);
const slow = Number(process.argv.at(-1));
const transport = { type: "livekit", livekit_service_url: "https://rtc.school.example", livekit_alias: "alias" };
const times = { delayedLeaveEventDelayMs: 3000 * slow, delayedLeaveEventRestartMs: 500, delayedLeaveEventRestartLocalTimeoutMs: 2000 * slow };

const MEMBER = "org.matrix.msc3401.call.member";
const members = (client, roomId) => client.getRoom(roomId).currentState.getStateEvents(MEMBER)
	.filter((event) => Object.keys(event.getContent()).length > 0).map((event) => event.getSender()).sort();

function join(client, roomId) {
	const meeting = client.matrixRTC.getRoomSession(client.getRoom(roomId));
	const errors = [];
	meeting.on(MatrixRTCSessionEvent.MembershipManagerError, (error) => errors.push(error));
	meeting.joinRoomSession([transport], undefined, times);
	return { meeting, errors };
}

async function member(userId, accessToken, deviceId, roomId) {
	const client = await session(baseUrl, { user_id: userId, access_token: accessToken, device_id: deviceId });
	const { errors } = join(client, roomId);
	await until("the end", () => errors.length > 0, 600);
	throw errors[0];
}

async function main() {
	begin("two join");
	const people = await Promise.all(["lin", "wang"].map((name) => register(baseUrl, name + "-" + unique)));
	const client = await session(baseUrl, people[0]);
	const { room_id: roomId } = await client.createRoom({ preset: "public_chat", power_level_content_override: { events: { [MEMBER]: 0 } } });
	await sdk.createClient({ baseUrl, userId: people[1].user_id, accessToken: people[1].access_token }).joinRoom(roomId);
	await until("the room", () => client.getRoom(roomId)?.getJoinedMemberCount() === 2);
	const { meeting, errors } = join(client, roomId);
	const other = spawn(process.execPath, [process.argv[1], "member", people[1].user_id, people[1].access_token, people[1].device_id, roomId,
		baseUrl, String(slow)], { stdio: "inherit" });
	const both = people.map((person) => person.user_id).sort();
	await until("both in the meeting", () => String(members(client, roomId)) === String(both), 60);

	begin("stay for longer than the delay");
	await new Promise((resolve) => setTimeout(resolve, 2 * times.delayedLeaveEventDelayMs));
	check(String(members(client, roomId)) === String(both), "in the meeting: " + members(client, roomId));

	begin("one is killed");
	other.kill("SIGKILL");
	await until("one is left", () => String(members(client, roomId)) === people[0].user_id, 30);

	begin("the other leaves");
	const scheduled = await client._unstable_getDelayedEvents("scheduled");
	check(scheduled.scheduled.length === 1, "scheduled: " + JSON.stringify(scheduled));
	check(await meeting.leaveRoomSession(30000), "could not leave");
	await until("nobody is left", () => members(client, roomId).length === 0);
	check((await client._unstable_getDelayedEvents("scheduled")).scheduled.length === 0, "something is left");
	check(errors.length === 0, "errors: " + errors);
	say("worked");
}

run(isMember ? () => member(...process.argv.slice(3, 7)) : main, 300);
