/* test_block_device.c - the file store of store/store.h over a block device */
/* SPDX-License-Identifier: MIT */
#include "unit/refuse_direct.h"
#include "unit/store_tools.h"

#include <linux/loop.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static struct store_context with_workers;

/* ---- a kernel that refuses ---- */

static atomic_bool refuse_open; /* so is opening for them */

long syscall(long number, ...)
{
	long (*real)(long, long, long, long, long, long, long);
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	errno = EINVAL;
	if (number == SYS_openat && a[2] & O_DIRECT &&
	    atomic_load(&refuse_open))
		return -1;
	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- devices ---- */

static int new_file(void)
{
	char path[] = "/var/tmp/quire-test-device-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_return_code(fd, errno);
	unlink(path);
	return fd;
}

static struct store *store_of(int fd)
{
	struct store *store;

	assert_int_equal(file_store_create(&with_workers, fd, true, &store), 0);
	return store;
}

struct device {
	int backing;
	int fd; /* -1: none is to be had */
	uint64_t size;
};

static int open_loop(int backing, unsigned block)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	struct loop_config config = { .fd = (unsigned)backing,
				      .block_size = block,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	char path[32];
	int fd = -1;

	close(control);
	if (number < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !ioctl(fd, LOOP_CONFIGURE, &config))
		return fd;
	close(fd);
	return -1;
}

/* Its blocks are the smaller ones: it ends inside a page of ours. */
static struct device new_device(unsigned block)
{
	struct device device = { .backing = new_file(),
				 .size = 32 * PAGE_SIZE + block };

	assert_return_code(ftruncate(device.backing, (off_t)device.size),
			   errno);
	device.fd = open_loop(device.backing, block);
	return device;
}

static void end_device(struct device *device)
{
	close(device->fd);
	close(device->backing);
}

/* ---- tests ---- */

static void only_size_of_a_block_device_is_fixed(void **state)
{
	struct device device = new_device(512);
	struct store *store;

	(void)state;
	if (device.fd < 0) {
		end_device(&device);
		skip();
	}
	store = store_of(dup(device.fd));
	assert_int_equal(size_of_store(store), device.size);
	assert_int_equal(write_at(store, "block", 5, 4095), 5);
	assert_int_equal(store_resize(store, 4096), -EOPNOTSUPP);
	assert_int_equal(flush_all(store), 0);
	store_destroy(store);
	end_device(&device);
}

/* What is written of it, to its end, is read, past the cache or not. */
static void assert_device_moves(struct device *device, unsigned direct)
{
	const size_t length = device->size;
	struct store *store = store_of(dup(device->fd));
	unsigned char *in = new_buffer(length + PAGE_SIZE);
	unsigned char *out = new_buffer(length + PAGE_SIZE);

	fill_random(in, length, direct + length);
	assert_int_equal(size_of_store(store), length);
	atomic_store(&direct_count, 0);
	assert_int_equal(write_at(store, in, length, 0), length);
	assert_int_equal(flush_all(store), 0);
	assert_int_equal(atomic_load(&direct_count), direct);
	assert_int_equal(pread(device->backing, out, length, 0), length);
	assert_memory_equal(in, out, length);
	memset(out, 0, length);
	assert_int_equal(read_at(store, out, length + PAGE_SIZE, 0), length);
	assert_memory_equal(in, out, length);
	assert_int_equal(atomic_load(&direct_count) > 0, direct > 0);
	/* Less than one of its blocks. */
	assert_int_equal(write_at(store, "block", 5, 4095), 5);
	assert_int_equal(read_at(store, out, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	assert_memory_equal(out, "lock", 4);
	assert_memory_equal(out + 4, in + PAGE_SIZE + 4, PAGE_SIZE - 4);
	store_destroy(store);
	free(in);
	free(out);
}

static void block_devices_go_direct(void **state)
{
	static const unsigned blocks[] = { 512, 4096 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct device device = new_device(blocks[i]);

		if (device.fd < 0) {
			end_device(&device);
			skip();
		}
		assert_device_moves(&device, 1);
		/* One whose transfers are refused is asked each time. */
		atomic_store(&refuse_direct, true);
		assert_device_moves(&device, 1);
		atomic_store(&refuse_direct, false);
		atomic_store(&refuse_open, true);
		assert_device_moves(&device, 0);
		atomic_store(&refuse_open, false);
		end_device(&device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_size_of_a_block_device_is_fixed),
		cmocka_unit_test(block_devices_go_direct),
	};
	int failed;

	if (worker_pool_create(2, "test-worker", &with_workers.workers))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	worker_pool_destroy(with_workers.workers);
	return failed;
}
