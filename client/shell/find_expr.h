/*
 * The expressions of `-find` (fs.shell.find): -name, -iname, -print, -print0, -a, -and and
 * parentheses. Pure but for what -print writes; one thread.
 */
#ifndef CLIENT_SHELL_FIND_EXPR_H
#define CLIENT_SHELL_FIND_EXPR_H

#include "client/shell/args.h"
#include "client/shell/item.h"

struct find_expr;

/* Takes all of `args`. The arguments must outlive the expression. An expression that prints nothing
 * itself prints what passes. ERR_ARGUMENT "Unexpected argument: …", SHELL_FATAL for a missing one.
 */
int find_expr_parse(struct args *args, struct find_expr **expr, struct err *err) MUST_CHECK;
void find_expr_free(struct find_expr *expr); /* NULL is fine */
/* Checks and compiles the patterns; once, before the first item. */
int find_expr_prepare(struct find_expr *expr, struct err *err) MUST_CHECK;
bool find_expr_apply(const struct find_expr *expr, const struct item *item);

#endif
