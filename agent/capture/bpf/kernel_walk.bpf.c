/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What the benchmark compares the sampler with: the kernel's own walk of the user stack, and nothing else. */
/* libbpf's header wants the kernel's types before it. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

#include "abi.h"

char LICENSE[] SEC("license") = "GPL";

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pl_stack);
} scratch SEC(".maps");

SEC("perf_event")
int walk_at_tick(struct bpf_perf_event_data* ctx) {
  const __u32 only = 0;
  struct pl_stack* stack = bpf_map_lookup_elem(&scratch, &only);
  if (!stack) return 0; /* The verifier asks; an array's elements are always there. */
  bpf_get_stack(ctx, stack->frames, PL_MAX_USER_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
  return 0;
}
