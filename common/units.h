#ifndef COORD_UNITS_H
#define COORD_UNITS_H

/* Amounts as people write them, on the command line and in a grid: bytes and
 * durations. */

#include <stdbool.h>
#include <stdint.h>

/* "4 GB", "512MB", "1.5 GiB": a number and a unit out of kB MB GB TB (powers of 1000)
 * and KiB MiB GiB TiB (of 1024); spaces between are allowed. At least 1 byte, at most
 * 2^53. Returns whether it was one. */
bool units_bytes(const char *text, uint64_t *ret);

/* Seconds: "90", "15m", "2h30m", "1d 12h", and as batch systems write it, "MM:SS",
 * "HH:MM:SS" or "D-HH:MM:SS". At least 1 s, at most a year. Returns whether it was
 * one. */
bool units_seconds(const char *text, uint32_t *ret);

enum { UNITS_TEXT = 32 };

/* "4 GB", "1.50 GB": three digits at least. */
void units_bytes_text(uint64_t bytes, char ret[UNITS_TEXT]);

#endif
