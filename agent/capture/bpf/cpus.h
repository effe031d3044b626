/* What each CPU has to itself: a table of counts, counters, and the sample at hand. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_CPUS_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_CPUS_H_

#include "abi.h"

/* An array, not a per-CPU one: the agent maps it, and its lookup is no call. The agent sets its size. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pl_cpu);
} cpus SEC(".maps");

static __always_inline void add_frame(struct pl_cpu* cpu, __u64 ip) {
  const __u32 count = cpu->walk.n_user;
  if (count >= PL_MAX_USER_FRAMES) return;
  cpu->scratch.frames[count] = ip;
  cpu->walk.n_user = count + 1;
  cpu->walk.hash_before = cpu->walk.hash;
  cpu->walk.hash = pl_mix(cpu->walk.hash, ip);
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_CPUS_H_ */
