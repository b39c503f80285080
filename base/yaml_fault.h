/**
 * What is wrong with a YAML file, for the one who wrote it.
 */
#ifndef BELFRY_BASE_YAML_FAULT_H
#define BELFRY_BASE_YAML_FAULT_H

#include <yaml.h>

#include "base/ctx.h"

/**
 * Fails with the line at which the parser stopped, and what mostly helps there.
 *
 * @param parser  failed, and was given its input as a string
 * @param name    of the file
 * @return        ERR_INPUT
 */
MUST_CHECK enum err yaml_fault(struct ctx *ctx, const yaml_parser_t *parser, const char *name);

#endif
