/**
 * Several processes are one server to others: what they tell one another about these, beside what is in the database (storage/writer.h,
 * writer_tell()). Where there is one process nothing is said.
 */
#ifndef BELFRY_FEDERATION_PROCESSES_H
#define BELFRY_FEDERATION_PROCESSES_H

#include "federation/federation.h"

struct processes;

struct processes *processes_create(void);
/** Nobody waits any more. */
void processes_stop(struct processes *processes);
void processes_destroy(struct processes *processes);

/**
 * A server has proven by a request that it is there: all pauses for it end, in whichever process they are. Any thread, no lock held; from memory.
 * Told only of those that a process said to be in trouble, once for each time.
 */
void processes_heard_of(struct federation *federation, struct server_name server);
/** This process could not reach a server. Any thread, no lock held. */
void processes_note_trouble(struct federation *federation, struct server_name server);
/** EDUs were stored for a server: the process that sends is to look for them at once. The same. */
void processes_note_edus(struct federation *federation, struct str server);
/** EDUs of a server were staged: whichever process works them off is to do so. The same. */
void processes_note_arrival(struct federation *federation, struct server_name server);
/** Servers have come into a room in which there were none, which no event says. The same. */
void processes_note_shared(struct federation *federation, int64_t room_nid);
/** This process sends, and knows which servers are in rooms up to a position, for which another one has asked. The same. */
void processes_note_stays(struct federation *federation, int64_t position);
/**
 * Waits until the process that sends has said so. Blocks the caller, who holds no lock.
 * @return false when it has not by the deadline (monotonic), or there is no other process
 */
bool processes_await_stays(struct federation *federation, int64_t position,
	int64_t deadline_mono_ms);
/**
 * Our join or knock, an event of a room of that version, is about to be handed in (handshake_rooms.h). Goes on when all have heard it. Not on an
 * I/O thread, no lock held.
 */
void processes_note_handshake(struct federation *federation, struct str room_id, struct str version,
	struct str event_id);
/** The same once more, for those that did not hear it; does not wait. Any thread; any lock below RANK_WRITER may be held. */
void processes_repeat_handshake(struct federation *federation, struct str room_id,
	struct str version, struct str event_id);
/** That has ended. Any thread, no lock held. */
void processes_note_handshake_end(struct federation *federation, struct str event_id);
/** The policy was changed, and read here. Goes on when no process goes by the old one any more. Not on an I/O thread, no lock held. */
void processes_policy_changed(struct federation *federation);

/** What a process has said, this one included. Writer's thread. */
void processes_heard(struct federation *federation, struct str line);
/** Others tell once more of their handshakes: of this process, which is new, or may have missed them. Any thread. */
void processes_ask_for_handshakes(struct federation *federation);
/** Something that was said may have been missed: the next processes_tidy() reads what the database knows of it, others tell of handshakes. Any thread. */
void processes_deaf(struct federation *federation);
/** Servers that cannot be reached, once after the start and whenever something may have been missed. Errors: STORE. One round trip then. */
MUST_CHECK enum err processes_tidy(struct ctx *ctx, struct federation *federation);

#endif
