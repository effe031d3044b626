// Prints where its functions are, "NAME ADDRESS" a line, the address as the ELF headers count.
use std::fs;

mod shop {
    pub struct Basket<T> {
        pub items: Vec<T>,
    }
    pub trait Priced {
        fn price(&self) -> u64;
    }
    impl Priced for u64 {
        #[inline(never)]
        fn price(&self) -> u64 {
            *self * 3
        }
    }
    #[inline(never)]
    pub fn total<T: Priced>(basket: &Basket<T>) -> u64 {
        basket.items.iter().map(|item| item.price()).sum()
    }
}

fn main() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let base = u64::from_str_radix(maps.split('-').next().unwrap(), 16).unwrap();
    let basket = shop::Basket { items: vec![std::env::args().count() as u64] };
    assert!(shop::total(&basket) > 0);
    let total = shop::total::<u64> as fn(&shop::Basket<u64>) -> u64 as usize as u64;
    println!("total {:x}", total - base);
}
