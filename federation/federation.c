/*
 * Makes and ends the federation's services, in the order in which they need each other.
 */
#include "federation/federation.h"

#include "base/mem.h"
#include "federation/answers.h"
#include "federation/backfill.h"
#include "federation/discovery.h"
#include "federation/errand.h"
#include "federation/fed_client.h"
#include "federation/handshake_rooms.h"
#include "federation/invite_out.h"
#include "federation/join_out.h"
#include "federation/inbox.h"
#include "federation/keyring.h"
#include "federation/outbox.h"
#include "federation/policy.h"
#include "federation/policy_sign.h"
#include "federation/processes.h"
#include "federation/read_turn.h"
#include "federation/remote_keys.h"
#include "federation/remote_media.h"
#include "federation/remote_query.h"
#include "federation/remote_space.h"
#include "federation/third_party.h"

enum {
	PROFILES_BYTES = 4 << 20,
	SPACES_BYTES = 8 << 20,
	MISSING_MEDIA_BYTES = 1 << 20,
	MISSING_EVENTS_BYTES = 1 << 20,
	LARGEST_ANSWERS = 2, /* so many of the largest are read at once */
};

static void fill_ports(struct federation *federation)
{
	federation->hs->ports.membership = (struct membership_port){
		.self = federation,
		.find_alias = alias_out,
		.join = join_out,
		.knock = knock_out,
		.leave = leave_out,
		.invite = invite_out,
		.redeem = third_party_redeem,
	};
	federation->hs->ports.policy = (struct policy_port){.self = federation, .sign = policy_sign};
}

static struct read_turns *make_read_turns(const struct homeserver *hs)
{
	size_t largest = hs->settings.federation.max_join_answer_bytes;
	size_t values = fed_answer_max_values(&(struct fed_request){0}, largest);
	return read_turns_create(LARGEST_ANSWERS * read_turn_bytes(largest, values));
}

struct federation *federation_create(struct homeserver *hs)
{
	struct federation *federation = mem_alloc(sizeof(*federation));
	federation->hs = hs;
	hs->federation = federation;
	federation->policy = policy_create();
	federation->processes = processes_create();
	federation->discovery = discovery_create(hs);
	federation->client = fed_client_create(hs);
	federation->read_turns = make_read_turns(hs);
	federation->keyring = keyring_create(federation);
	federation->profiles = answers_create(&hs->clock, "remote_profiles", PROFILES_BYTES);
	federation->spaces = answers_create(&hs->clock, "remote_spaces", SPACES_BYTES);
	federation->missing_media =
		answers_create(&hs->clock, "missing_remote_media", MISSING_MEDIA_BYTES);
	remote_media_fill_port(federation);
	federation->errands = errands_create(federation);
	federation->backfill = backfill_create(federation);
	federation->missing_events = answers_create(&hs->clock, "missing_events", MISSING_EVENTS_BYTES);
	remote_query_fill_ports(federation);
	remote_space_fill_port(federation);
	remote_keys_fill_port(federation, hs->e2ee);
	federation->outbox = outbox_create(federation);
	federation->joins = joins_create();
	federation->handshake_rooms = handshake_rooms_create();
	federation->policy_askers = policy_askers_create();
	fill_ports(federation);
	federation->inbox = inbox_create(federation);
	return federation;
}

enum err federation_start(struct ctx *ctx, struct federation *federation)
{
	TRY(fed_policy_follow(ctx, federation));
	TRY(processes_tidy(ctx, federation));
	processes_ask_for_handshakes(federation);
	outbox_start(federation->outbox);
	errands_start(federation->errands);
	return inbox_start(ctx, federation->inbox);
}

void federation_stop(struct federation *federation)
{
	outbox_stop(federation->outbox);
	processes_stop(federation->processes);
	joins_stop(federation->joins);
	read_turns_stop(federation->read_turns);
	inbox_stop(federation->inbox);
	errands_stop(federation->errands);
}

void federation_destroy(struct federation *federation)
{
	outbox_destroy(federation->outbox);
	errands_destroy(federation->errands);
	backfill_destroy(federation->backfill);
	answers_destroy(federation->missing_events);
	answers_destroy(federation->missing_media);
	answers_destroy(federation->spaces);
	answers_destroy(federation->profiles);
	joins_destroy(federation->joins);
	inbox_destroy(federation->inbox);
	handshake_rooms_destroy(federation->handshake_rooms);
	policy_askers_destroy(federation->policy_askers);
	keyring_destroy(federation->keyring);
	read_turns_destroy(federation->read_turns);
	fed_client_destroy(federation->client);
	discovery_destroy(federation->discovery);
	processes_destroy(federation->processes);
	policy_destroy(federation->policy);
	mem_free(federation);
}
