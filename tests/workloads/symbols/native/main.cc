// Prints where its functions are, for a reader of the same file to be compared with: "NAME ADDRESS" a line,
// the address as the ELF headers count.
#include <link.h>

#include <cstdint>
#include <cstdio>
#include <vector>

namespace shop {

template <typename T>
class Basket {
 public:
  __attribute__((noinline)) void Add(const T& item) { items_.push_back(item); }

 private:
  std::vector<T> items_;
};

template class Basket<int>;

__attribute__((noinline)) int Total(const std::vector<int>& prices, bool with_tax) {
  int total = 0;
  for (const int price : prices) total += with_tax ? price * 6 / 5 : price;
  return total;
}

}  // namespace shop

extern "C" {
__attribute__((noinline, visibility("default"))) int plain_function(int n) { return n * 7; }
// Two names of one address.
__attribute__((visibility("default"), alias("plain_function"))) int __underscored_alias(int n);
// A function in assembler that does not say its size, and another inside its range that does.
void sizeless_function();
void nested_function();
}

__asm__(
    ".text\n.balign 64\n"
    ".globl sizeless_function\n.type sizeless_function, @function\n"
    "sizeless_function:\n  nop\n  nop\n  nop\n  nop\n"
    ".globl nested_function\n.type nested_function, @function\n"
    "nested_function:\n  nop\n  ret\n.size nested_function, . - nested_function\n"
    "  nop\n  nop\n  nop\n  ret\n.balign 64\n");

namespace {

uint64_t load_address = 0;

int FindLoadAddress(dl_phdr_info* info, size_t, void*) {
  load_address = info->dlpi_addr;
  return 1;  // the program itself comes first
}

void Print(const char* name, const void* address) {
  std::printf("%s %llx\n", name,
              static_cast<unsigned long long>(reinterpret_cast<uint64_t>(address) - load_address));
}

}  // namespace

int main() {
  dl_iterate_phdr(FindLoadAddress, nullptr);
  shop::Basket<int> basket;
  basket.Add(plain_function(1));
  void (shop::Basket<int>::*add)(const int&) = &shop::Basket<int>::Add;
  const void* add_address = nullptr;
  __builtin_memcpy(&add_address, &add, sizeof(add_address));  // the first word of a non-virtual one
  Print("shop::Basket<int>::Add(int const&)", add_address);
  Print("shop::Total(std::vector<int, std::allocator<int> > const&, bool)",
        reinterpret_cast<const void*>(&shop::Total));
  Print("plain_function", reinterpret_cast<const void*>(&plain_function));
  Print("sizeless_function", reinterpret_cast<const void*>(&sizeless_function));
  Print("nested_function", reinterpret_cast<const void*>(&nested_function));
  return 0;
}
