/* UTF-8 text by code points. Pure; any thread. */
#ifndef CLIENT_SHELL_TEXT_H
#define CLIENT_SHELL_TEXT_H

#include "common/base.h"

/* The code point at *text, which moves on; a byte that is no UTF-8 counts as itself. */
uint32_t text_next(const char **text);
void text_put(char **to, uint32_t code); /* writes up to 4 bytes */
/* In lower case; mem_free(). */
char *text_lower(const char *text);
/* With "?" for control, format, private and unassigned characters (PrintableString); mem_free(). */
char *text_printable(const char *text);
/* Columns that a terminal shows, near enough: code points, as Java counts characters. */
size_t text_width(const char *text);

#endif
