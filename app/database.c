/*
 * Which database, and that it is ready to be used.
 */
#include "app/database.h"

#include "base/clock.h"
#include "storage/schema.h"

/* The writer, the listener of notifications, and what a lane may hold besides the pool. */
enum { OTHER_CONNECTIONS = 8 };

enum err database_open(struct ctx *ctx, const struct conf *conf, const char *data,
	struct signals *signals, struct database *out)
{
	*out = (struct database){.url = conf_str(conf, "database.url")};
	if (str_is_empty(out->url)) {
		TRY(pg_embedded_start(ctx,
			&(struct pg_embedded_config){
				.data = data,
				.shared_buffers_bytes = (size_t)conf_int(conf, "database.shared_buffers"),
				.connections = (int)conf_int(conf, "database.pool_size") + OTHER_CONNECTIONS,
				.digest = schema_digest(ctx->arena),
				.prepare = schema_update,
				.signals = signals,
			},
			&out->cluster));
		out->url = pg_postmaster_url(out->cluster);
	}
	enum err err = schema_update(ctx, out->url);
	if (err != ERR_OK) {
		database_close(out, clock_mono_us() / 1000);
	}
	return err;
}

void database_close(struct database *database, int64_t deadline_mono_ms)
{
	pg_postmaster_stop(database->cluster, deadline_mono_ms);
	*database = (struct database){0};
}
