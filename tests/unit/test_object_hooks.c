/* test_object_hooks.c - objects that say who may map them, where, and what */
/* SPDX-License-Identifier: MIT */
/* On a space of the software MMU, where every address can be had. */
#include "unit/engine_tools.h"

#define PLACE ((char *)0x7000000)
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;

/* What the hooks were asked, and what they answer. */
static struct {
	struct quire_area area;
	char *place;
	int error;
	struct quire_object *frames;
	uint64_t frames_offset;
	unsigned calls;
} device;

static int place(void *context, const struct quire_area *area,
		 uint64_t *address)
{
	assert_ptr_equal(context, &device);
	device.area = *area;
	device.calls++;
	*address = (uint64_t)(uintptr_t)device.place;
	return device.error;
}

static int map(void *context, struct quire_area *area)
{
	assert_ptr_equal(context, &device);
	device.area = *area;
	device.calls++;
	area->frames = device.frames;
	area->frames_offset = device.frames_offset;
	return device.error;
}

static int set_up(void **state)
{
	(void)state;
	memset(&device, 0, sizeof(device));
	quire = new_engine(64 * PAGE);
	return quire_space_create(quire, NULL, &space);
}

static int tear_down(void **state)
{
	(void)state;
	quire_space_close(space);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static struct quire_object *new_object(const struct quire_map_hooks *hooks,
				       uint32_t flags)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.flags = flags,
		.hooks = hooks,
		.hook_context = &device,
	};
	struct quire_object *object;

	assert_int_equal(quire_object_create_anonymous(quire, 8 * PAGE,
						       &options, &object),
			 0);
	return object;
}

/* Two pages from the third on: where, or NULL and errno. */
static char *try_map(struct quire_object *object, void *address, int prot,
		     int flags)
{
	void *mapped = quire_mmap(space, address, 2 * PAGE, prot, flags, object,
				  2 * PAGE);

	return mapped == MAP_FAILED ? NULL : mapped;
}

static void assert_not_mapped(struct quire_object *object, int prot, int flags,
			      int error)
{
	errno = 0;
	assert_null(try_map(object, NULL, prot, flags));
	assert_int_equal(errno, error);
	assert_string_not_equal(quire_strerror_last(), "");
}

/* ---- hooks ---- */

static void test_place(void **state)
{
	const struct quire_map_hooks hooks = { .size = sizeof(hooks),
					       .place = place };
	struct quire_object *object = new_object(&hooks, 0);

	(void)state;
	device.place = PLACE;
	assert_ptr_equal(try_map(object, PLACE + 9 * PAGE, RW, MAP_SHARED),
			 PLACE);
	assert_int_equal(device.area.size, sizeof(struct quire_area));
	assert_int_equal(device.area.address, PLACE + 9 * PAGE);
	assert_int_equal(device.area.length, 2 * PAGE);
	assert_int_equal(device.area.offset, 2 * PAGE);
	assert_int_equal(device.area.flags, MAP_SHARED);
	/* It is not believed. */
	assert_not_mapped(object, RW, MAP_SHARED, ENOMEM); /* taken */
	device.place = PLACE + 1;
	assert_not_mapped(object, RW, MAP_SHARED, EINVAL);
	device.place = (char *)PAGE;
	assert_not_mapped(object, RW, MAP_SHARED, EPERM);
	device.error = -EBUSY;
	assert_not_mapped(object, RW, MAP_SHARED, EBUSY);
	/* Nor asked, if the program says where. */
	assert_int_equal(device.calls, 5);
	assert_ptr_equal(try_map(object, PLACE + 9 * PAGE, RW,
				 MAP_SHARED | MAP_FIXED),
			 PLACE + 9 * PAGE);
	assert_int_equal(device.calls, 5);
	assert_int_equal(quire_object_close(object), 0);
}

/* The frames' bytes, for as long as they are mapped. */
static void test_frames(void **state)
{
	const struct quire_map_hooks hooks = { .size = sizeof(hooks),
					       .map = map };
	struct quire_object *object = new_object(&hooks, 0);
	char byte = 'f', *mapped;

	(void)state;
	device.frames = new_object(NULL, 0);
	device.frames_offset = PAGE;
	assert_int_equal(
		quire_object_pwrite(device.frames, &byte, 1, 2 * PAGE + 7), 1);
	mapped = try_map(object, NULL, RW, MAP_SHARED);
	assert_non_null(mapped);
	assert_int_equal(device.area.address, mapped);
	assert_int_equal(device.area.prot, RW);
	assert_int_equal(quire_object_close(device.frames), 0);
	byte = 0;
	assert_int_equal(quire_peek(space, mapped + PAGE + 7, &byte, 1), 0);
	assert_int_equal(byte, 'f');
	assert_int_equal(byte_of(object, 3 * PAGE + 7), 0);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_refusing_map(void **state)
{
	const struct quire_map_hooks hooks = { .size = sizeof(hooks),
					       .map = map };
	struct quire_object *object = new_object(&hooks, 0);
	struct quire_object *other = new_object(NULL, 0);
	char byte = 'o';

	(void)state;
	assert_int_equal(quire_object_pwrite(other, &byte, 1, 2 * PAGE), 1);
	assert_ptr_equal(try_map(other, PLACE, RW, MAP_SHARED | MAP_FIXED),
			 PLACE);
	device.error = -ENXIO;
	errno = 0;
	assert_null(try_map(object, PLACE, RW, MAP_SHARED | MAP_FIXED));
	assert_int_equal(errno, ENXIO);
	/* What was there still is. */
	byte = 0;
	assert_int_equal(quire_peek(space, PLACE, &byte, 1), 0);
	assert_int_equal(byte, 'o');
	device.error = 0;
	device.frames = other;
	device.frames_offset = 1;
	assert_not_mapped(object, RW, MAP_SHARED, EINVAL);
	assert_int_equal(quire_object_close(other), 0);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_wrong_options(void **state)
{
	const struct quire_map_hooks hooks = { .size = 1, .map = map };
	struct quire_object_options options = { .size = sizeof(options),
						.hooks = &hooks };
	struct quire_object *object = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		options.hooks = i == 0 ? &hooks : NULL;
		options.flags = i == 1 ? 1u << 31 : 0;
		options.huge_shift = i == 2 ? 13 : 0;
		assert_int_equal(quire_object_create_anonymous(
					 quire, PAGE, &options, &object),
				 -EINVAL);
		assert_null(object);
	}
}

/* ---- flags ---- */

static void test_flags(void **state)
{
	static const struct {
		uint32_t object;
		int prot;
		int flags;
		int error; /* 0: it is mapped */
	} cases[] = {
		{ QUIRE_OBJECT_NOEXEC, PROT_EXEC, MAP_PRIVATE, EPERM },
		{ QUIRE_OBJECT_NOEXEC, RW, MAP_SHARED, 0 },
		{ QUIRE_OBJECT_APPEND_ONLY, PROT_READ, MAP_SHARED, EACCES },
		{ QUIRE_OBJECT_APPEND_ONLY, RW, MAP_PRIVATE, 0 },
		{ QUIRE_OBJECT_SEAL_WRITE, RW, MAP_SHARED, EPERM },
		{ QUIRE_OBJECT_SEAL_WRITE, RW, MAP_PRIVATE, 0 },
		{ QUIRE_OBJECT_SEAL_FUTURE_WRITE, RW, MAP_SHARED, EPERM },
		{ QUIRE_OBJECT_SEAL_FUTURE_WRITE, PROT_READ, MAP_SHARED, 0 },
		{ QUIRE_OBJECT_BUSY, RW, MAP_SHARED, ETXTBSY },
		{ QUIRE_OBJECT_BUSY, PROT_READ, MAP_SHARED, 0 },
		{ QUIRE_OBJECT_UNMAPPABLE, PROT_READ, MAP_PRIVATE, ENODEV },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct quire_object *object = new_object(NULL, cases[i].object);

		if (cases[i].error)
			assert_not_mapped(object, cases[i].prot, cases[i].flags,
					  cases[i].error);
		else
			assert_non_null(try_map(object, NULL, cases[i].prot,
						cases[i].flags));
		assert_int_equal(quire_object_close(object), 0);
	}
}

/* Nor in any other way. */
static void test_sealed(void **state)
{
	static const uint32_t seals[] = { QUIRE_OBJECT_SEAL_WRITE,
					  QUIRE_OBJECT_SEAL_FUTURE_WRITE };
	struct quire_range first = { .offset = 0, .length = PAGE };
	struct quire_pin pin;
	char byte = 's';

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct quire_object *object = new_object(NULL, seals[i]);

		assert_int_equal(quire_object_pwrite(object, &byte, 1, 0),
				 -EPERM);
		assert_int_equal(quire_object_zero(object, &first, 1), -EPERM);
		assert_int_equal(quire_object_append(object, &byte, 1, 0, NULL),
				 -EPERM);
		assert_int_equal(quire_object_pin(object, 0, 1, RW, &pin),
				 -EPERM);
		assert_int_equal(quire_object_size(object), 8 * PAGE);
		assert_int_equal(byte_of(object, 0), 0);
		assert_int_equal(
			quire_object_pin(object, 0, 1, PROT_READ, &pin), 0);
		quire_object_unpin(&pin);
		assert_int_equal(quire_object_close(object), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_place),        TEST(test_frames),
		TEST(test_refusing_map), TEST(test_wrong_options),
		TEST(test_flags),        TEST(test_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
