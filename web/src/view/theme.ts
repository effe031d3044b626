// Dark or light: as the system has it, until the reader chooses.
import { useEffect, useState } from "preact/hooks";

const KEY = "pilotlight-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden
  }
}

const listeners = new Set<() => void>();

export function isDark(): boolean {
  const theme = chosen();
  return theme === null ? system.matches : theme === "dark";
}

function apply(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

export function toggleTheme(): void {
  try {
    localStorage.setItem(KEY, isDark() ? "light" : "dark");
  } catch {
    return;
  }
  apply();
}

system.addEventListener("change", apply);
apply();

export function useDark(): boolean {
  const [dark, setDark] = useState(isDark());
  useEffect(() => {
    const listener = () => setDark(isDark());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return dark;
}

// A custom property of the style sheet.
export function styleValue(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
