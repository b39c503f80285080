#include "storage/writer_inner.h"

static size_t find(const struct peers *peers, int64_t writer_id)
{
	size_t i = 0;
	while (i < peers->n && peers->list[i].writer_id != writer_id) {
		i++;
	}
	return i;
}

static struct peer *peer_of(struct peers *peers, int64_t writer_id)
{
	size_t i = find(peers, writer_id);
	return i < peers->n ? &peers->list[i] : NULL;
}

bool peers_note(struct peers *peers, int64_t writer_id, int64_t position, int64_t said)
{
	struct peer *peer = peer_of(peers, writer_id);
	if (peer != NULL) {
		peer->heard = MAX_OF(peer->heard, position);
		peer->silent_since_ms = 0;
		return false;
	}
	if (peers->n < PEERS_MAX) { /* further ones are not waited for: they are behind by moments */
		peers->list[peers->n++] =
			(struct peer){.writer_id = writer_id, .heard = position, .knows = said};
	}
	return true;
}

void peers_remove(struct peers *peers, int64_t writer_id)
{
	size_t i = find(peers, writer_id);
	if (i < peers->n) {
		peers->list[i] = peers->list[--peers->n];
	}
}

int64_t peers_heard(const struct peers *peers)
{
	int64_t heard = INT64_MAX;
	for (size_t i = 0; i < peers->n; i++) {
		if (peers->list[i].silent_since_ms == 0) {
			heard = MIN_OF(heard, peers->list[i].heard);
		}
	}
	return heard;
}

int64_t peers_know(const struct peers *peers)
{
	int64_t knows = INT64_MAX;
	for (size_t i = 0; i < peers->n; i++) {
		if (peers->list[i].silent_since_ms == 0) {
			knows = MIN_OF(knows, peers->list[i].knows);
		}
	}
	return knows;
}

void peers_owe(struct peers *peers, int64_t writer_id, int64_t number)
{
	struct peer *peer = peer_of(peers, writer_id);
	if (peer != NULL) {
		peer->owed = number;
	}
}

void peers_answered(struct peers *peers, int64_t writer_id, int64_t number)
{
	struct peer *peer = peer_of(peers, writer_id);
	if (peer != NULL) {
		peer->knows = MAX_OF(peer->knows, number);
	}
}

size_t peers_drop_behind(struct peers *peers, int64_t position, int64_t said, int64_t now_ms)
{
	size_t dropped = 0;
	for (size_t i = 0; i < peers->n; i++) {
		struct peer *peer = &peers->list[i];
		if (peer->silent_since_ms == 0 && (peer->heard < position || peer->knows < said)) {
			peer->silent_since_ms = now_ms;
			dropped++;
		}
	}
	return dropped;
}

void peers_forget_silent(struct peers *peers, int64_t before_ms)
{
	for (size_t i = peers->n; i > 0; i--) {
		const struct peer *peer = &peers->list[i - 1];
		if (peer->silent_since_ms != 0 && peer->silent_since_ms < before_ms) {
			peers->list[i - 1] = peers->list[--peers->n];
		}
	}
}
