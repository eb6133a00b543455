/* object_flags.c - which files can be mapped, and what they do not allow */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define KNOWN_FLAGS                                                 \
	(QUIRE_OBJECT_NOEXEC | QUIRE_OBJECT_APPEND_ONLY |           \
	 QUIRE_OBJECT_SEAL_WRITE | QUIRE_OBJECT_SEAL_FUTURE_WRITE | \
	 QUIRE_OBJECT_BUSY | QUIRE_OBJECT_UNMAPPABLE)

/* What the kernel makes up while it is read has no size and no pages. */
static bool is_made_up(const struct statfs *file_system)
{
	return file_system->f_type == PROC_SUPER_MAGIC ||
	       file_system->f_type == SYSFS_MAGIC;
}

int object_check_kind(const struct opened_file *file)
{
	mode_t mode = file->status.st_mode;

	if (is_made_up(&file->file_system))
		return error_say(-ENODEV,
				 "%s cannot be mapped: the kernel makes it up",
				 file->name);
	if (S_ISREG(mode) || S_ISBLK(mode))
		return 0;
	if (S_ISDIR(mode))
		return error_say(-EISDIR, "%s is a directory", file->name);
	return error_say(-ENODEV, "%s cannot be mapped: it is no file",
			 file->name);
}

uint32_t object_flags_of_file(const struct opened_file *file)
{
	int seals = fcntl(file->fd, F_GET_SEALS);
	uint32_t flags = 0;
	int inode_flags;

	if (file->file_system.f_flags & ST_NOEXEC)
		flags |= HANDLE_NOEXEC;
	if (ioctl(file->fd, FS_IOC_GETFLAGS, &inode_flags) == 0 &&
	    inode_flags & FS_APPEND_FL)
		flags |= HANDLE_APPEND_ONLY;
	if (seals >= 0 && seals & F_SEAL_WRITE)
		flags |= HANDLE_SEAL_WRITE;
	if (seals >= 0 && seals & F_SEAL_FUTURE_WRITE)
		flags |= HANDLE_SEAL_FUTURE_WRITE;
	return flags;
}

int object_check_flags(const struct quire_object_options *options)
{
	if (options->flags & ~KNOWN_FLAGS)
		return error_say(-EINVAL, "unknown flags 0x%x", options->flags);
	if (options->huge_shift != 0 && options->huge_shift != 21 &&
	    options->huge_shift != 30)
		return error_say(-EINVAL, "no pages of 2^%u bytes",
				 options->huge_shift);
	if (options->hooks && options->hooks->size != sizeof(*options->hooks))
		return error_say(-EINVAL, "quire_map_hooks of %zu bytes",
				 options->hooks->size);
	return 0;
}

/* ---- the user's own hooks ---- */

struct user_hooks {
	struct handle_hooks hooks;
	struct quire_map_hooks user;
	void *context;
};

static const struct user_hooks *hooks_of(const struct quire_object *handle)
{
	return container_of(handle->hooks, const struct user_hooks, hooks);
}

static struct quire_area area_of(const struct handle_area *area)
{
	return (struct quire_area){
		.size = sizeof(struct quire_area),
		.address = area->address,
		.length = area->length,
		.prot = area->prot,
		.flags = area->flags,
		.offset = area->offset,
	};
}

static int place(struct quire_object *handle, const struct handle_area *wanted,
		 uint64_t *address)
{
	const struct user_hooks *hooks = hooks_of(handle);
	struct quire_area area = area_of(wanted);

	return hooks->user.place(hooks->context, &area, address);
}

static int map(struct quire_object *handle, struct handle_area *made)
{
	const struct user_hooks *hooks = hooks_of(handle);
	struct quire_area area = area_of(made);
	int error = hooks->user.map(hooks->context, &area);

	made->frames = area.frames;
	made->frames_offset = area.frames_offset;
	return error;
}

int handle_set_options(struct quire_object *handle,
		       const struct quire_object_options *options)
{
	struct user_hooks *hooks;

	handle->flags |= options->flags;
	handle->huge_shift = options->huge_shift;
	if (!options->hooks)
		return 0;
	hooks = calloc(1, sizeof(*hooks));
	if (!hooks)
		return error_say(-ENOMEM, "no memory for hooks");
	hooks->user = *options->hooks;
	hooks->context = options->hook_context;
	if (hooks->user.place)
		hooks->hooks.place = place;
	if (hooks->user.map)
		hooks->hooks.map = map;
	handle->hooks = &hooks->hooks;
	return 0;
}

void handle_forget_options(struct quire_object *handle)
{
	if (handle->hooks)
		free((struct user_hooks *)(uintptr_t)hooks_of(handle));
}
