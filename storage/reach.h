/**
 * Why a database cannot be reached: for who may wait for it.
 */
#ifndef BELFRY_STORAGE_REACH_H
#define BELFRY_STORAGE_REACH_H

#include "base/ctx.h"

/**
 * Whether waiting may bring a database that could not be reached: nobody answers, it starts, it is full, or none of the servers takes writes
 * yet. Tries once more: up to three seconds for each server that the connection string names.
 * @return false when a server refuses for good (password, user, name of the database), or the connection string is wrong
 */
bool store_may_come(struct ctx *ctx, struct str url);

#endif
