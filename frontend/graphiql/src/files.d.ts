/** What the build turns other files into. */
declare module "*.graphql" {
  const text: string;
  export default text;
}
declare module "*.css";

/** Addresses of the worker scripts, relative to the page's script; set by build/build.mjs. */
declare const WORKERS: Record<"editor" | "graphql" | "json", string>;
