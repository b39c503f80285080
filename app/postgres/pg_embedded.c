/*
 * DATA/postgres is either missing or whole: a new cluster is made beside it and renamed when it is on disk.
 */
#include "app/postgres/pg_embedded.h"

#include <unistd.h>

#include "app/postgres/pg_template.h"
#include "app/postgres/tree_copy.h"

const char *pg_embedded_folder(struct arena *arena, const char *data)
{
	return arena_printf(arena, "%s/postgres", data);
}

static enum err make(struct ctx *ctx, const struct pg_embedded_config *config,
	const struct pg_template_config *template, const char *cluster)
{
	const char *fresh = arena_printf(ctx->arena, "%s/postgres.new", config->data);
	tree_remove(fresh);
	TRY(pg_template_instantiate(ctx, template, fresh));
	(void)rmdir(cluster); /* an empty one may be there, as a mount point's leftover */
	return tree_rename(ctx, fresh, cluster);
}

enum err pg_embedded_start(struct ctx *ctx, const struct pg_embedded_config *config,
	struct pg_postmaster **out)
{
	const char *cluster = pg_embedded_folder(ctx->arena, config->data);
	struct pg_account account;
	struct pg_programs programs;
	int major = pg_programs_major_of(ctx, cluster);
	TRY(pg_account_find(ctx, cluster, &account));
	TRY(pg_programs_find(ctx, major, &programs));
	if (major == 0) {
		struct pg_template_config template = {
			.programs = programs,
			.account = account,
			.digest = config->digest,
			.prepare = config->prepare,
			.signals = config->signals,
		};
		TRY(make(ctx, config, &template, cluster));
	}
	return pg_postmaster_start(ctx,
		&(struct pg_postmaster_config){
			.folder = cluster,
			.log_path = arena_printf(ctx->arena, "%s/postgres.log", config->data),
			.programs = programs,
			.account = account,
			.shared_buffers_bytes = config->shared_buffers_bytes,
			.connections = config->connections,
			.signals = config->signals,
		},
		out);
}
