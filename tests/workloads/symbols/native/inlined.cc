// Calls that compilers inline into one another, of their own and of the standard library's.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace shop {

struct Item {
  std::string name;
  int price;
};

static inline int WithTax(int price) { return price * 6 / 5; }

inline int Total(const std::vector<Item>& items) {
  int total = 0;
  for (const Item& item : items) total += WithTax(item.price);
  return total;
}

class Stock {
 public:
  void Add(const Item& item) { prices_[item.name] += item.price; }
  int Sum() const {
    int sum = 0;
    for (const auto& [name, price] : prices_) sum += price + static_cast<int>(name.size());
    return sum;
  }

 private:
  std::map<std::string, int> prices_;
};

__attribute__((noinline)) int Trade(int count) {
  std::vector<Item> items;
  for (int i = 0; i < count; ++i) items.push_back({std::to_string(i), i * 7 % 100});
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.price < b.price; });
  Stock stock;
  for (const Item& item : items) stock.Add(item);
  return Total(items) + stock.Sum();
}

}  // namespace shop

int main(int argc, char** /*argv*/) { std::printf("%d\n", shop::Trade(argc * 1000)); }
