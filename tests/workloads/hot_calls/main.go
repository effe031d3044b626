// Spends its time in few calls, whose functions are too large to be inlined unless a profile says that they are hot.
// Writes its own CPU profile to the file that is named, from its start until standard input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"sync/atomic"
)

type table struct{ slots [1024]uint64 }

func (t *table) add(key uint64) uint64 {
	sum := uint64(0)
	for probe := uint64(0); probe < 64; probe++ {
		at := (key + probe*probe) % uint64(len(t.slots))
		t.slots[at] += key>>7 ^ probe
		sum += t.slots[at]*31 + probe
		sum ^= sum >> 29
		sum = sum<<11 | sum>>53
		if sum%1021 == 0 {
			t.slots[at] ^= sum
			sum += uint64(len(t.slots))
		}
		if t.slots[at]&0xff == 0xff {
			t.slots[(at+probe)%uint64(len(t.slots))] = sum ^ key
		}
	}
	return sum
}

func mix(x uint64) uint64 {
	for round := uint64(1); round <= 64; round++ {
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
		x ^= x >> 29
		x *= 0xc4ceb9fe1a85ec53
		x ^= x >> 32
		x += round * 0x9e3779b97f4a7c15
		x = x<<13 | x>>51
		x = x*5 + 0x52dce729
		x ^= x<<7 ^ x>>9
		x -= x >> 3 & 0x5555555555555555
		x = x<<31 | x>>33
		x += x<<21 ^ round
		x ^= x>>35 | x<<4
		x *= 0x2545f4914f6cdd1d
	}
	return x
}

// Takes its place in line.
func score(x uint64) uint64 { return x ^ x>>7 }

func largest[T uint32 | uint64](values []T) T {
	most := T(0)
	for i, value := range values {
		value ^= value>>3 + T(i)
		value = value*17 + value>>5
		value ^= value << 2
		if value > most && value%7 != 3 {
			most = value ^ most>>9
		}
		if value%5 == 0 {
			most += value>>13 + T(len(values))
		}
		most = most<<1 | most>>15
	}
	return most
}

//go:noinline
func serve(t *table, request uint64) uint64 {
	sum := request
	for i := uint64(0); i < 200; i++ {
		sum += t.add(sum + i)
		sum ^= mix(score(sum))
		sum += largest(t.slots[:64])
	}
	return sum
}

func main() {
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		panic(err)
	}
	fmt.Printf("ready pid=%d\n", os.Getpid())
	var ended atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	t := &table{}
	sum := uint64(1)
	for request := uint64(0); !ended.Load(); request++ {
		sum += serve(t, request)
	}
	pprof.StopCPUProfile()
	if err := file.Close(); err != nil {
		panic(err)
	}
	fmt.Println("done", sum)
}
