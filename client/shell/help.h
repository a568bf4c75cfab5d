/* How FsShell lays out a command's long description. Pure. */
#ifndef CLIENT_SHELL_HELP_H
#define CLIENT_SHELL_HELP_H

#include "common/buf.h"

/* Wraps the text at 80 columns, indented by two; lines "-x: text" and "<x>: text" become a table of
 * two columns. */
void help_format(struct buf *out, const char *description);

#endif
