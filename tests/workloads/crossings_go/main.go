// crossings_go burns CPU in C below Go.
package main

/*
#include <stdint.h>

static volatile uint64_t c_sink;
__attribute__((noinline)) static void c_burn(void) {
	for (uint64_t i = 0; i < 20000000; i++) c_sink = c_sink * 3 + i;
}
__attribute__((noinline)) static void c_outer(void) {
	c_burn();
	__asm__ volatile("");
}
*/
import "C"

import (
	"fmt"
	"os"
)

//go:noinline
func outer() {
	for {
		C.c_outer()
	}
}

func main() {
	fmt.Printf("ready pid=%d\n", os.Getpid())
	outer()
}
