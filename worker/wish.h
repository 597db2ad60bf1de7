#ifndef COORD_WISH_H
#define COORD_WISH_H

/* What is wanted of a job that asks between two of its steps or points. */
enum wish { WISH_GO_ON, WISH_SAVE, WISH_STOP /* having saved itself */ };

#endif
