/**
 * Configuration: YAML and key=value settings into typed values by a table. A row of the table gives
 * parser, check, example file and reference page, so that they cannot drift apart.
 */
#ifndef BELFRY_BASE_CONF_H
#define BELFRY_BASE_CONF_H

#include "base/ctx.h"
#include "base/buf.h"

enum conf_type {
	CONF_STRING,
	CONF_INT,  /**< within [min, max] */
	CONF_BOOL, /**< true, false (also yes, no, on, off) */
	CONF_SIZE, /**< bytes; suffixes KiB, MiB, GiB */
	CONF_TIME, /**< milliseconds; suffixes ms, s, m, h, d */
	CONF_ENUM, /**< one of the words in `choices` (separated by '|') */
	CONF_LIST, /**< strings; in --set separated by commas */
};

struct conf_list {
	struct str *items;
	size_t n;
};

/** One option. */
struct conf_row {
	const char *key; /**< dotted, e.g. "listen.client" */
	enum conf_type type;
	const char *fallback; /**< default, as it would be written */
	int64_t min, max;     /**< INT, SIZE (bytes), TIME (ms) */
	const char *choices;  /**< ENUM */
	bool is_secret;       /**< never printed */
	const char *help;     /**< one or more sentences */
	const char *example;  /**< for the example file; NULL: the default */
	/**
	 * STRING and LIST (each item): whether a text that was given can be meant.
	 * @return NULL, or why not ("has no port"); in the arena or static. NULL: every text can
	 */
	const char *(*check)(struct arena *arena, struct str text);
};

/** Values, one per row of the table, in the arena given at conf_create. */
struct conf;

/** All rows at their defaults. `rows` is static. */
struct conf *conf_create(struct arena *arena, const struct conf_row *rows, size_t row_count);

/**
 * Reads a YAML file over what is set already.
 * Errors: INPUT with a text "path:line: …" naming the unknown key (and the nearest known one), wrong type or
 * impossible value; MISSING, STORE from reading.
 */
MUST_CHECK enum err conf_read_yaml(struct ctx *ctx, struct conf *conf, const char *path);

/** Applies one "key=value". Errors: INPUT, text names the key. */
MUST_CHECK enum err conf_set(struct ctx *ctx, struct conf *conf, const char *assignment);

/** Typed values; the key must be in the table with that type (invariant). Strings: borrowed from the conf's arena. */
struct str conf_str(const struct conf *conf, const char *key);
int64_t conf_int(const struct conf *conf, const char *key); /**< INT, SIZE in bytes, TIME in ms */
bool conf_bool(const struct conf *conf, const char *key);
struct conf_list conf_list(const struct conf *conf, const char *key);
/** Whether file or --set gave the key. */
bool conf_is_set(const struct conf *conf, const char *key);

/** A commented YAML file with every key at its default. */
void conf_write_example(const struct conf_row *rows, size_t row_count, struct buf *out);
/** The reference page in Markdown. */
void conf_write_reference(const struct conf_row *rows, size_t row_count, struct buf *out);

#endif
