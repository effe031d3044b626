/* Walks a thread's user stack by the tables that the agent has made of the binaries: for code that keeps no
 * frame pointers. Each frame costs the search of its row, and one read of the stack.
 *
 *   unwound      the processes whose stacks are walked so
 *   mappings     where binaries are in them
 *   pages        where the rows of each 64 KiB of a binary are
 *   row_chunks   rows
 *   rules        what the rows say
 *
 * All are written by the agent, which changes nothing that a process refers to while samples are taken.
 * Functions are global so that the verifier looks at each once and by itself. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_TABLE_WALK_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_TABLE_WALK_H_

#include "cpus.h"
#include "go_switch.h"
#include "jvm_walk.h"
#include "python_walk.h"
#include "user_position.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_unwound);
} unwound SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PL_MAX_MAPPINGS);
  __type(key, __u32);
  __type(value, struct pl_mapping);
} mappings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PL_MAX_PAGES);
  __type(key, __u32);
  __type(value, struct pl_page);
} pages SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PL_MAX_RULES);
  __type(key, __u32);
  __type(value, struct pl_rule);
} rules SEC(".maps");

struct row_chunk {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(struct pl_rows)); /* clang leaves its type out of an inner map's */
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, PL_MAX_CHUNKS);
  __type(key, __u32);
  __array(values, struct row_chunk);
} row_chunks SEC(".maps");

/* The bits of a number up to PL_ROWS_OF_CHUNK. */
#define MAX_SEARCH_STEPS 17

/* The index of the rule for the byte `offset` of a page, 0 when there is none. */
__noinline __u32 find_rule(__u32 page_number, __u32 offset) {
  const struct pl_page* page = bpf_map_lookup_elem(&pages, &page_number);
  if (!page) return 0;
  const __u32 first = page->first;
  const __u32 chunk_number = page->chunk;
  void* chunk = bpf_map_lookup_elem(&row_chunks, &chunk_number);
  if (!chunk) return 0;
  const __u32 only = 0;
  const struct pl_rows* rows = bpf_map_lookup_elem(chunk, &only);
  if (!rows) return 0;
  /* The first row that begins after it. */
  __u32 low = 0;
  __u32 high = page->count;
  for (__u32 i = 0; i < MAX_SEARCH_STEPS; i++) {
    if (low >= high) break;
    const __u32 middle = (low + high) / 2;
    if (rows->rows[(first + middle) & (PL_ROWS_OF_CHUNK - 1)].begin <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  return rows->rows[(first + low - 1) & (PL_ROWS_OF_CHUNK - 1)].rule;
}

/* Makes the walk's mapping the one that holds `pc`; 0 when none does. */
__noinline int find_mapping(__u64 pc, __u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  const struct pl_jvm_program* jvm = &cpu->process.jvm;
  if (pc - jvm->start < jvm->bytes) {
    cpu->walk.mapping.start = jvm->start;
    cpu->walk.mapping.end = jvm->start + jvm->bytes;
    cpu->walk.mapping.first_page = PL_JVM_CODE;
    cpu->walk.mapping.pages = 0;
    return 1;
  }
  const __u32 first = cpu->process.unwound.first;
  __u32 low = 0;
  __u32 high = cpu->process.unwound.count;
  for (__u32 i = 0; i < MAX_SEARCH_STEPS; i++) {
    if (low >= high) break;
    const __u32 middle = (low + high) / 2;
    const __u32 index = first + middle;
    const struct pl_mapping* mapping = bpf_map_lookup_elem(&mappings, &index);
    if (!mapping) return 0;
    if (mapping->start <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  const __u32 index = first + low - 1;
  const struct pl_mapping* mapping = bpf_map_lookup_elem(&mappings, &index);
  if (!mapping || pc >= mapping->end) return 0;
  cpu->walk.mapping = *mapping;
  return 1;
}

static __always_inline int enter_mapping(struct pl_cpu* cpu, __u32 cpu_number, __u64 pc) {
  const struct pl_mapping* mapping = &cpu->walk.mapping;
  return pc - mapping->start < mapping->end - mapping->start || find_mapping(pc, cpu_number);
}

static __always_inline int read_word(__u64 address, __u64* word) {
  return bpf_probe_read_user(word, sizeof(*word), (const void*)address) == 0;
}

/* Of the kernel's rt_sigframe on x86-64: a ucontext lies where the handler's return address was
 * (arch/x86/include/uapi/asm/sigcontext.h, asm-generic/ucontext.h). */
#define UCONTEXT_RBP 120
struct interrupted_registers {
  __u64 rbp;
  __u64 rbx_to_rcx[4];
  __u64 rsp;
  __u64 rip;
};

/* The others may sign a return address (FEAT_PAuth), which matters to who returns to it alone. */
#define ADDRESS_BITS ((1ULL << 48) - 1)

/* Frames that nothing describes must look like frames: farther out, and not by more than a large frame. */
#define MAX_UNCONFIRMED_FRAME_BYTES (1 << 20)

/* Makes the caller the walk's frame. Returns as step_to_caller(). */
static __always_inline int enter_caller(struct pl_cpu* cpu, __u32 cpu_number, __u64 return_address, __u64 sp,
                                        __u64 fp) {
  struct pl_walk* walk = &cpu->walk;
  if (!enter_mapping(cpu, cpu_number, return_address - 1)) return PL_END_UNMAPPED;
  walk->pc = return_address - 1;
  walk->sp = sp;
  walk->fp = fp;
  walk->lr = 0;
  walk->is_interrupted = 0;
  add_frame(cpu, return_address);
  if (walk->in_switch != 0) return PL_END_GO_SWITCH;
  return walk->n_user >= PL_MAX_USER_FRAMES ? PL_END_TRUNCATED : 0;
}

__noinline int step_to_caller_in_jvm(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return PL_END_UNREADABLE; /* The verifier asks. */
  struct pl_walk* walk = &cpu->walk;
  const int end = find_caller_in_jvm(cpu, cpu_number);
  if (end != 0) return end;
  if (walk->caller_sp <= walk->sp || walk->return_address == 0) return PL_END_IMPLAUSIBLE;
  return enter_caller(cpu, cpu_number, walk->return_address, walk->caller_sp, walk->caller_fp);
}

/* Goes from the walk's frame to its caller and adds it to the stack. Returns PL_END_… of a walk that ends
 * here, 0 when it goes on. */
__noinline int step_to_caller(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return PL_END_UNREADABLE; /* The verifier asks. */
  struct pl_walk* walk = &cpu->walk;
  if (walk->mapping.pages == 0 && walk->mapping.first_page == PL_JVM_CODE)
    return step_to_caller_in_jvm(cpu_number);
  __u32 rule_number = 0;
  __u32 kind = PL_CFA_FRAME_CHAIN;
  const struct pl_rule* rule = 0;
  if (walk->mapping.pages != 0) {
    const __u64 offset = walk->pc - walk->mapping.base;
    const __u64 page = offset >> PL_PAGE_SHIFT;
    if (page >= walk->mapping.pages) return PL_END_NO_RULE;
    rule_number = find_rule(walk->mapping.first_page + page, offset & ((1 << PL_PAGE_SHIFT) - 1));
  }
  /* Also where it is not needed: the verifier likes one way better than two. */
  rule = bpf_map_lookup_elem(&rules, &rule_number);
  if (!rule) return PL_END_NO_RULE;
  if (walk->mapping.pages != 0) kind = rule->cfa;

  const __u64 sp = walk->sp;
  const __u64 fp = walk->fp;
  __u64 cfa;
  __u64 caller_fp = fp;
  __u64 return_address = 0;
  int without_caller = PL_END_OUTERMOST;
  switch (kind) {
    case PL_CFA_OUTERMOST:
      return PL_END_OUTERMOST;
    case PL_CFA_FRAME_CHAIN:
    case PL_CFA_FRAME_CHAIN_UNCONFIRMED: {
      /* Code that was to keep frame pointers, and does not, has anything there. */
      if (walk->mapping.pages == 0 && walk->mapping.first_page == PL_JIT_CODE)
        without_caller = PL_END_IMPLAUSIBLE;
      if (fp == 0) return without_caller;
      if (fp % sizeof(__u64) != 0) return PL_END_IMPLAUSIBLE;
      const int is_confirmed = kind == PL_CFA_FRAME_CHAIN;
      if (!is_confirmed && fp - sp >= MAX_UNCONFIRMED_FRAME_BYTES) return PL_END_NO_RULE;
      __u64 frame[2];
      if (bpf_probe_read_user(frame, sizeof(frame), (const void*)fp) != 0) return PL_END_UNREADABLE;
      caller_fp = frame[0];
      return_address = frame[1];
      if (caller_fp == fp) return PL_END_IMPLAUSIBLE;
      cfa = fp + FRAME_BYTES;
      if (returns_to_switch(cpu, cpu_number, return_address)) walk->in_switch = fp;
      goto found;
    }
    case PL_CFA_SIGNAL_FRAME: {
#ifdef __TARGET_ARCH_x86
      struct interrupted_registers registers;
      if (bpf_probe_read_user(&registers, sizeof(registers), (const void*)(sp + UCONTEXT_RBP)) != 0)
        return PL_END_UNREADABLE;
      if (!enter_mapping(cpu, cpu_number, registers.rip)) return PL_END_UNMAPPED;
      walk->pc = registers.rip;
      walk->sp = registers.rsp;
      walk->fp = registers.rbp;
      walk->is_interrupted = 1;
      /* As if it had been a call: whoever names it subtracts 1. */
      add_frame(cpu, registers.rip + 1);
      return walk->n_user >= PL_MAX_USER_FRAMES ? PL_END_TRUNCATED : 0;
#else
      return PL_END_NO_RULE;
#endif
    }
    case PL_CFA_STACK_POINTER:
      cfa = sp + rule->cfa_offset;
      break;
    case PL_CFA_FRAME_POINTER:
      cfa = fp + rule->cfa_offset;
      break;
    case PL_CFA_AT_STACK_POINTER:
      if (!read_word(sp + rule->cfa_offset, &cfa)) return PL_END_UNREADABLE;
      cfa += rule->cfa_addend;
      break;
    case PL_CFA_AT_FRAME_POINTER:
      if (!read_word(fp + rule->cfa_offset, &cfa)) return PL_END_UNREADABLE;
      cfa += rule->cfa_addend;
      break;
    case PL_CFA_PLT:
      cfa = sp + 8 + ((walk->pc & 15) >= 11 ? 8 : 0);
      break;
    default:
      return PL_END_NO_RULE;
  }
  const __u32 fp_rule = rule->fp;
  const __s64 fp_offset = rule->fp_offset;
  const __s64 ra_offset = kind == PL_CFA_PLT ? -8 : rule->ra_offset;
  /* A function that calls none may have no frame where its return address is in a register. */
  if (cfa < sp || (cfa == sp && ra_offset != 0)) return PL_END_IMPLAUSIBLE;
  if (fp_rule == PL_FP_AT_CFA && fp_offset == -FRAME_BYTES && ra_offset == -8) {
    __u64 frame[2];
    if (bpf_probe_read_user(frame, sizeof(frame), (const void*)(cfa - FRAME_BYTES)) != 0)
      return PL_END_UNREADABLE;
    caller_fp = frame[0];
    return_address = frame[1];
  } else {
    if (ra_offset == 0) {
      if (walk->lr == 0) return PL_END_NO_RULE;
      return_address = walk->lr;
    } else if (!read_word(cfa + ra_offset, &return_address)) {
      return PL_END_UNREADABLE;
    }
    if (fp_rule != PL_FP_SAME) {
      const __u64 saved = (fp_rule == PL_FP_AT_CFA ? cfa : fp) + fp_offset;
      if (!read_word(saved, &caller_fp)) return PL_END_UNREADABLE;
    }
  }
found:
  if (cpu->python.anchor - sp < cfa - sp && put_python_frames(cpu_number)) return PL_END_TRUNCATED;
#ifdef __TARGET_ARCH_arm64
  return_address &= ADDRESS_BITS;
#endif
  if (return_address == 0) return without_caller;
  const int end = enter_caller(cpu, cpu_number, return_address, cfa, caller_fp);
  return end == PL_END_UNMAPPED && kind == PL_CFA_FRAME_CHAIN_UNCONFIRMED ? PL_END_NO_RULE : end;
}

/* Adds the callers of the walk's frame; returns PL_END_…. */
static __always_inline __u32 walk_by_tables(struct pl_cpu* cpu, __u32 cpu_number) {
  if (!enter_mapping(cpu, cpu_number, cpu->walk.pc)) return PL_END_UNMAPPED;
  for (__u32 i = 0; i < PL_MAX_USER_FRAMES; i++) {
    const int end = step_to_caller(cpu_number);
    if (end != 0) return end;
  }
  return PL_END_TRUNCATED;
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_TABLE_WALK_H_ */
