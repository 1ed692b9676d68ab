/* SPDX-License-Identifier: MIT
 *
 * error.c - the version, and one sentence for every result
 */
#include <errno.h>
#include <larder/larder.h>
#include <string.h>

#define ERRNO_MAX 4095 /* of the kernel's interface */

const char *larder_version(void)
{
	return LARDER_VERSION;
}

static const char *outcome_text(int result)
{
	switch ((enum larder_result)result) {
	case LARDER_OK:
		return "Success.";
	case LARDER_MISS:
		return "The key is not in the cache.";
	case LARDER_EXISTS:
		return "The key is present, or has another version.";
	case LARDER_TRUNC:
		return "The value is longer than the buffer.";
	case LARDER_UNCHANGED:
		return "The item still has the version that the caller knows.";
	case LARDER_DETACHED:
		return "No cache is attached; nothing was done.";
	case LARDER_DAMAGED:
		return "The cache is damaged.";
	}
	return "Unknown outcome.";
}

/* What an errno means when this library returns it; NULL: what it means everywhere. */
static const char *errno_text(int err)
{
	switch (err) {
	case EINVAL:
		return "An argument is not valid.";
	case ENAMETOOLONG:
		return "The key or name is too long.";
	case EBUSY:
		return "The handle is inside another call.";
	case ENOENT:
	case ECONNREFUSED:
		return "No daemon serves this cache.";
	case EACCES:
		return "The daemon does not allow this user.";
	case EUSERS:
		return "The cache has no free client slot.";
	case EPROTO:
		return "Daemon and library do not speak the same version.";
	case EBADF:
		return "The daemon passed something that is not a sealed region.";
	case ETIMEDOUT:
		return "The daemon did not answer in time.";
	case ENOMEM:
		return "Out of memory, or no segment could be freed.";
	case EROFS:
		return "The handle is read-only.";
	case E2BIG:
		return "The value is too large for this cache.";
	case EAGAIN:
		return "Other writers of this key were faster 64 times.";
	case EDOM:
		return "The value is not a number.";
	case EOVERFLOW:
		return "The counter would overflow.";
	case ENOSPC:
		return "All namespaces are taken, or memory could not be allocated.";
	case EPERM:
		return "The cache has the real clock.";
	default:
		return NULL;
	}
}

const char *larder_strerror(int result)
{
	const char *text;

	if (result >= 0)
		return outcome_text(result);
	if (result < -ERRNO_MAX)
		return "Unknown error.";
	text = errno_text(-result);
	if (text == NULL)
		text = strerrordesc_np(-result);
	return text != NULL ? text : "Unknown error.";
}
