#ifndef COORD_VERSION_H
#define COORD_VERSION_H

/* The version of both programs: in --version and in every result's provenance.
 * It says nothing about the wire (PROTO_VERSION) or the numbers (SPEC_NUMERICS). */

#define COORD_VERSION "0.1.0"

#endif
