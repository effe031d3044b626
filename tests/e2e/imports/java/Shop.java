// Works for a second; the profiler's agent writes what it sees.
class Shop {
  static double price(int n) {
    double total = 0;
    for (int i = 1; i < n; i++) total += Math.sin(i);
    return total;
  }

  static double checkout() {
    double total = 0;
    for (int i = 0; i < 100; i++) total += price(1000);
    return total;
  }

  public static void main(String[] arguments) {
    double total = 0;
    for (long end = System.nanoTime() + 1_000_000_000L; System.nanoTime() < end; ) total += checkout();
    System.out.println(total);
  }
}
