#include "worker/kept.h"

#include "common/error.h"

int kept_copy(struct kept *kept, const struct msg *msg, struct error *err)
{
    struct kept copy = {0};

    if (msg_encode(msg, &copy.bytes, err) != 0 ||
        msg_decode(copy.bytes.data, copy.bytes.size, &copy.msg, err) != 0) {
        buf_free(&copy.bytes);
        return -1;
    }
    *kept = copy;
    return 0;
}

void kept_free(struct kept *kept)
{
    if (kept->msg.kind != MSG_NONE)
        msg_free(&kept->msg);
    buf_free(&kept->bytes);
    *kept = (struct kept){0};
}
