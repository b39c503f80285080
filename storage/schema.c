/*
 * Ties the migrations that tools/embed made to the code that applies them; so the layers above need to
 * know neither.
 */
#include "storage/schema.h"

#include "base/buf.h"
#include "base/crypto.h"
#include "gen/embedded_migrations.h"
#include "storage/migrate.h"

enum err schema_update(struct ctx *ctx, struct str url)
{
	return migrate_run(ctx, url, embedded_migrations, embedded_migrations_count);
}

struct str schema_digest(struct arena *arena)
{
	enum { DIGEST_BYTES = 8, CEILING_BYTES = 1 << 20 };
	struct buf all CLEANUP(buf_fini) = {0};
	buf_init(&all, CEILING_BYTES);
	for (size_t i = 0; i < embedded_migrations_count; i++) {
		buf_add(&all, str_of(embedded_migrations[i].name));
		buf_add(&all, str_of(embedded_migrations[i].sha256_hex));
	}
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(buf_str(&all), hash);
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, CEILING_BYTES);
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		buf_printf(&text, "%02x", (unsigned)hash[i]);
	}
	return str_dup(arena, buf_str(&text));
}

size_t schema_count(void)
{
	return embedded_migrations_count;
}
