/**
 * Why something cannot be done, in Chinese: for who has written in Chinese. Pure.
 */
#ifndef BELFRY_NOTICES_NOTICE_REASON_H
#define BELFRY_NOTICES_NOTICE_REASON_H

#include "base/arena.h"
#include "base/str.h"

/**
 * A fault's text, which is in English as all are, in Traditional Chinese; in the arena. Every text that a command by message can fail with is
 * known (tests/tools/test_notice_reasons.py).
 * @return the text itself when it is not known
 */
struct str notice_reason_in_chinese(struct arena *arena, struct str english);

#endif
