#ifndef COORD_PROTO_LIMITS_H
#define COORD_PROTO_LIMITS_H

/* Every bound of the protocol, with its reason. A message that breaks one is
 * malformed; the sender never builds one. */

enum {
    PROTO_VERSION = 1,

    /* A result with PROTO_POINTS_MAX curve points takes about 6 MiB; 16 MiB
     * leaves room and keeps one bad peer from taking the memory. */
    PROTO_MESSAGE_MAX = 16 << 20,

    /* Artifacts travel in pieces small enough that a heartbeat or a result
     * waits at most a few milliseconds behind one. */
    PROTO_CHUNK_MAX = 256 << 10,
    /* Pieces under way to or from one peer: 8 x 256 KiB keeps a 1 Gb/s link
     * with 10 ms delay busy. */
    PROTO_CHUNK_WINDOW = 8,

    /* Largest artifact: ResNet-50 with momentum is 200 MB. */
    PROTO_ARTIFACT_MAX = 1 << 30,

    PROTO_NAME_MAX = 256,     /* hosts, roles, states, splits, causes */
    PROTO_TEXT_MAX = 4096,    /* groups, paths, sentences, provenance */
    PROTO_THREADS_MAX = 1024, /* threads of one trial */
    PROTO_LOG_MAX = 65536,    /* tail of a trial's output kept in the database */
    PROTO_SPEC_MAX = 65536,   /* = SPEC_TEXT_MAX */
    PROTO_GRID_MAX = 1 << 20, /* a grid file; the paper's are 2 kB */
    PROTO_JOBS_MAX = 256,     /* jobs in one ASSIGN */
    PROTO_RUNNING_MAX = 1024, /* slots of one worker */
    PROTO_RANGES_MAX = 65536, /* of jobs, in one CONTROL: 1 MiB */
    PROTO_LABELS_MAX = 600,   /* = LABELS_TEXT, rounded up */
    PROTO_REASON_MAX = 1024,  /* a person's sentence */
    /* Integers are never negative on the wire, priorities are: this much is
     * added, so that 0 means none given. */
    PROTO_PRIORITY_ZERO = 1 << 30,
    PROTO_PRIORITY_MAX = 1000000000,
    PROTO_INPUTS_MAX = 48,      /* states a job needs, and its parts */
    PROTO_STATES_MAX = 4096,    /* states a job keeps */
    PROTO_HISTORY_MAX = 65536,  /* history rows of one job */
    PROTO_POINTS_MAX = 65536,   /* curve points of one job */
    PROTO_DISTANCES_MAX = 4096, /* groups of one probe */
    /* Classes of points: some 30 bytes each, 4 MiB. */
    PROTO_CLASSES_MAX = 131072,
    PROTO_PLACES_MAX = 65536, /* states between the two of a probe, by group */
};

/* The name of a state, and the role of an input, that a job goes on from. */
#define PROTO_RESUME "resume"

#endif
