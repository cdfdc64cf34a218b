// npm run setup: installs everything that the other commands need. They all call it first.
//
// It runs before node_modules exists, so it and its imports use only Node's own modules.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, isMain, main, root, run, Stop, step, which } from "./lib/run.mjs";

const target = "wasm32-unknown-unknown";
const installRust =
  "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh   (then open a new shell)";

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Stop(
    `Node is ${process.versions.node}, Longhaul needs 20.19 or newer. Install it from https://nodejs.org or with your version manager:\n  nvm install 22`,
  );
}

function checkLinker() {
  if (["cc", "gcc", "clang"].some(which)) return;
  throw new Stop(
    "No C compiler was found; Rust links with it. Install one:\n  apt-get install -y build-essential",
  );
}

async function checkRust() {
  if (!which("cargo")) throw new Stop(`Rust was not found. Install it with rustup:\n  ${installRust}`);
  if (await ask("cargo", ["--version"])) return;
  // The toolchain of rust-toolchain.toml is missing, and rustup may be set to install none by
  // itself.
  if (!which("rustup")) throw new Stop(`cargo does not start. Install Rust with rustup:\n  ${installRust}`);
  await step("install the Rust toolchain", () => run("rustup", ["toolchain", "install"]));
}

async function checkWasmTarget() {
  const folder = await ask("rustc", ["--print", "target-libdir", "--target", target]);
  if (folder && existsSync(folder)) return;
  if (!which("rustup")) {
    throw new Stop(
      `Rust's ${target} target is missing, and rustup, which installs it, was not found. Install Rust with rustup:\n  ${installRust}`,
    );
  }
  await step(`install Rust's ${target} target`, () => run("rustup", ["target", "add", target]));
}

async function checkComponents() {
  const missing = ["rustfmt", "clippy"].filter((name) => !which(name === "clippy" ? "cargo-clippy" : name));
  const works =
    missing.length === 0 &&
    (await ask("cargo", ["clippy", "--version"])) &&
    (await ask("cargo", ["fmt", "--version"]));
  if (works) return;
  if (!which("rustup"))
    throw new Stop(`rustfmt or clippy is missing. Install Rust with rustup:\n  ${installRust}`);
  await step("install rustfmt and clippy", () => run("rustup", ["component", "add", "rustfmt", "clippy"]));
}

async function npmInstall() {
  const inputs = [
    "package.json",
    "package-lock.json",
    ...JSON.parse(readFileSync(join(root, "package.json"), "utf8")).workspaces.map(
      (name) => `${name}/package.json`,
    ),
  ];
  const hash = createHash("sha256");
  for (const path of inputs) if (existsSync(join(root, path))) hash.update(readFileSync(join(root, path)));
  const wanted = hash.digest("hex");
  const stamp = join(root, "node_modules/.longhaul-setup");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // `ci` follows the lock file exactly, but first removes node_modules, which may be in use.
  const command = existsSync(join(root, "node_modules")) && !process.env.CI ? "install" : "ci";
  await step(`npm ${command}`, () => run("npm", [command, "--no-audit", "--no-fund", "--loglevel=error"]));
  writeFileSync(stamp, wanted);
}

/** The path of a Chromium for the tests, or undefined for the one that Playwright downloads. */
export async function findBrowser() {
  const named = process.env.CHROME_PATH;
  if (named) {
    if (existsSync(named)) return named;
    throw new Stop(`CHROME_PATH is ${named}, and that file does not exist`);
  }
  const found = installedBrowser();
  if (found) return found;
  const { chromium } = await import("@playwright/test");
  if (existsSync(chromium.executablePath())) return undefined;

  if (canInstall()) {
    try {
      await step("install Debian's Chromium for the tests", () => install(["chromium"]));
      const installed = installedBrowser();
      if (installed) return installed;
    } catch (error) {
      console.error(`  ${error.message}; trying Playwright's own download`);
    }
  }
  try {
    await step("download Playwright's Chromium for the tests", () =>
      run("npx", ["playwright", "install", "chromium"]),
    );
    return undefined;
  } catch {
    throw new Stop(
      "The tests need Chromium or Chrome. None was found, and none could be installed. Install one, or give its path:\n  apt-get install -y chromium     (Debian, as root)\n  CHROME_PATH=/path/to/chrome npm test",
    );
  }
}

/** Installs the proxies that tests put between page and hub: nginx, HAProxy and squid. */
export async function findProxies() {
  const missing = ["nginx", "haproxy", "squid"].filter((name) => !whichServer(name));
  if (missing.length === 0) return;
  if (canInstall()) {
    await step(`install Debian's ${missing.join(", ")} for the tests`, () => installIdle(missing));
    if (missing.every(whichServer)) return;
  }
  const packages = missing.join(" ");
  throw new Stop(
    `The tests need proxies that were not found: ${missing.join(", ")}. Install the packages:\n  apt-get install -y --no-install-recommends ${packages}     (Debian, Ubuntu, as root)\n  brew install ${packages}     (macOS)\n  The tests start their own proxies on free ports. You can stop the services that the packages start.`,
  );
}

/** geckodriver drives Firefox by WebDriver. Debian has no package, so cargo compiles it once. */
const geckodriverVersion = "0.37.1";
const geckodriverFolder = join(root, "target", "geckodriver");

/**
 * Installs Firefox and WebKitGTK with their drivers, and a display for WebKitGTK. Returns their
 * paths by the variables in which tests look for them.
 */
export async function findOtherBrowsers() {
  const missing = () => Object.keys(otherPrograms).filter((name) => !otherPrograms[name].find());
  if (missing().length > 0 && canInstall()) {
    const packages = [...new Set(missing().map((name) => otherPrograms[name].debian))];
    await step(`install Debian's ${packages.join(", ")} for the tests`, () => install(packages));
  }
  if (missing().length > 0) {
    const packages = [...new Set(missing().map((name) => otherPrograms[name].debian))].join(" ");
    throw new Stop(
      `The tests in other browsers need programs that were not found: ${missing().join(", ")}. Install the packages:\n  apt-get install -y --no-install-recommends ${packages}     (Debian, as root; Ubuntu's Firefox comes from Mozilla)\n  The other tests need none of them: npm test -- --only e2e`,
    );
  }
  const found = Object.values(otherPrograms).map(({ env, find }) => [env, find()]);
  return { ...Object.fromEntries(found), LONGHAUL_GECKODRIVER: await geckodriver() };
}

const otherPrograms = {
  Firefox: {
    env: "LONGHAUL_FIREFOX",
    debian: "firefox-esr",
    find: () => which("firefox-esr") ?? which("firefox"),
  },
  WebKitWebDriver: {
    env: "LONGHAUL_WEBKITDRIVER",
    debian: "webkit2gtk-driver",
    find: () => which("WebKitWebDriver"),
  },
  MiniBrowser: { env: "LONGHAUL_MINIBROWSER", debian: "webkit2gtk-driver", find: miniBrowser },
  Xvfb: { env: "LONGHAUL_XVFB", debian: "xvfb", find: () => which("Xvfb") },
};

/** WebKitGTK's small browser is beside its library: /usr/lib/ARCHITECTURE/webkit2gtk-VERSION. */
function miniBrowser() {
  const inside = (folder, isWanted) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter(isWanted)
          .map((name) => join(folder, name))
      : [];
  return inside("/usr/lib", (name) => name.endsWith("-linux-gnu"))
    .flatMap((folder) => inside(folder, (name) => name.startsWith("webkit")))
    .map((folder) => join(folder, "MiniBrowser"))
    .find(existsSync);
}

async function geckodriver() {
  const found = which("geckodriver");
  if (found) return found;
  const path = join(geckodriverFolder, "bin", "geckodriver");
  if ((await ask(path, ["--version"]))?.includes(geckodriverVersion)) return path;
  const version = ["--version", geckodriverVersion, "--locked"];
  try {
    await step(`install geckodriver ${geckodriverVersion}, which drives Firefox (some minutes)`, () =>
      run("cargo", ["install", "geckodriver", ...version, "--root", geckodriverFolder], { quiet: true }),
    );
  } catch (error) {
    throw new Stop(
      `geckodriver, which drives Firefox, was not found and can't be installed: ${error.message}\n  Put one on the PATH: https://github.com/mozilla/geckodriver/releases`,
    );
  }
  return path;
}

/** Debian keeps servers in folders that only root has on its path. */
function whichServer(name) {
  return which(name) ?? ["/usr/sbin", "/usr/local/sbin"].map((folder) => join(folder, name)).find(existsSync);
}

function canInstall() {
  const isDebian =
    existsSync("/etc/os-release") && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
  return isDebian && process.getuid?.() === 0 && which("apt-get") !== undefined;
}

async function install(packages) {
  const apt = ["-o", "DPkg::Lock::Timeout=300", "-qq"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", [...apt, "update"], { env, quiet: true });
  await run("apt-get", [...apt, "install", "-y", "--no-install-recommends", ...packages], {
    env,
    quiet: true,
  });
}

/** Debian starts each server that it installs, unless this script exits with 101. */
const policy = "/usr/sbin/policy-rc.d";

/** Installs servers without starting them. It does not change a policy of the machine. */
async function installIdle(packages) {
  if (existsSync(policy)) return install(packages);
  const remove = () => rmSync(policy, { force: true });
  // Ctrl-C ends the process without a `finally`.
  process.once("exit", remove);
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install(packages);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

function installedBrowser() {
  const names = ["chromium", "google-chrome", "google-chrome-stable", "chrome", "chromium-browser"];
  const mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
  return names.map(which).find(Boolean) ?? (existsSync(mac) ? mac : undefined);
}

/**
 * Installs what is missing, and prints each step. If it can't install something, it throws a Stop
 * with the command that does.
 */
export async function setup({ lint = false } = {}) {
  checkNode();
  checkLinker();
  await checkRust();
  await checkWasmTarget();
  if (lint) await checkComponents();
  await npmInstall();
}

if (isMain(import.meta.url)) {
  await main(async () => {
    await setup({ lint: true });
    const browser = await findBrowser();
    await findProxies();
    await findOtherBrowsers();
    console.log(`✓ ready; tests run in ${browser ?? "Playwright's Chromium"}, Firefox and WebKitGTK`);
  });
}
