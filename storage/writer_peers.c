#include "storage/writer_inner.h"

static size_t find(const struct peers *peers, int64_t writer_id)
{
	size_t i = 0;
	while (i < peers->n && peers->list[i].writer_id != writer_id) {
		i++;
	}
	return i;
}

bool peers_note(struct peers *peers, int64_t writer_id, int64_t position)
{
	size_t i = find(peers, writer_id);
	if (i < peers->n) {
		peers->list[i].heard = MAX_OF(peers->list[i].heard, position);
		return false;
	}
	if (i < PEERS_MAX) { /* further ones are not waited for: they are behind by moments */
		peers->list[peers->n++] = (struct peer){writer_id, position};
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
		heard = MIN_OF(heard, peers->list[i].heard);
	}
	return heard;
}

size_t peers_drop_behind(struct peers *peers, int64_t position)
{
	size_t dropped = 0;
	for (size_t i = peers->n; i > 0; i--) {
		if (peers->list[i - 1].heard < position) {
			peers->list[i - 1] = peers->list[--peers->n];
			dropped++;
		}
	}
	return dropped;
}
