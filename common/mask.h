#ifndef COORD_MASK_H
#define COORD_MASK_H

/* Texts of other people - a worker's host name, the output of a trial, a reason, a
 * file's name - on their way to a terminal or a log. What a terminal would obey
 * becomes blanks: C0 and C1 control characters, DEL, the marks that turn the
 * direction of writing (which make a line read as what it is not), and bytes that are
 * not UTF-8.
 */

#include <stddef.h>

/* In place, and of the same size. keep: control characters that may stay, "\n\t". */
void mask_controls(char *text, size_t size, const char *keep);

#endif
