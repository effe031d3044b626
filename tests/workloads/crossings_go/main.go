// crossings_go burns CPU in C below Go, or with the argument "back" in Go below C below Go.
package main

/*
#include <stdint.h>

extern void goBurn(void);

static volatile uint64_t c_sink;
__attribute__((noinline)) static void c_burn(void) {
	for (uint64_t i = 0; i < 20000000; i++) c_sink = c_sink * 3 + i;
}
__attribute__((noinline)) static void c_outer(int back) {
	if (back) goBurn(); else c_burn();
	__asm__ volatile("");
}
*/
import "C"

import (
	"fmt"
	"os"
)

var sink uint64

//export goBurn
func goBurn() { burn() }

//go:noinline
func burn() {
	for i := uint64(0); i < 20000000; i++ {
		sink = sink*3 + i
	}
}

//go:noinline
func outer(back C.int) {
	for {
		C.c_outer(back)
	}
}

func main() {
	back := C.int(0)
	if len(os.Args) > 1 {
		back = 1
	}
	fmt.Printf("ready pid=%d\n", os.Getpid())
	outer(back)
}
