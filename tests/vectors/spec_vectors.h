/**
 * What the vector tests share: the published files, and the key that they are made with.
 */
#ifndef BELFRY_TESTS_VECTORS_SPEC_VECTORS_H
#define BELFRY_TESTS_VECTORS_SPEC_VECTORS_H

#include "tests/unit/base/check.h"

#include "base/json.h"
#include "matrix/event_build.h"

/** The tree of a file in the folder that BELFRY_SPEC_VECTORS names; the test fails when it cannot be read. */
const struct json *vectors_read(struct arena *arena, const char *file);

/** A member that the file must have; the test fails when it is absent. */
const struct json *vectors_get(const struct json *object, const char *key);

/** A string member that the file must have. */
struct str vectors_str(const struct json *object, const char *key);

/** The signer that a file describes: signing_key_seed, server_name, key_id. Free with vectors_signer_fini. */
struct event_signer vectors_signer(struct arena *arena, const struct json *file);
void vectors_signer_fini(struct event_signer *signer);

/** Both have the same canonical text. */
void assert_same_json(const struct json *is, const struct json *expected);

/** A view has exactly the bytes of another. */
void assert_same_text(struct str is, struct str expected);

#endif
