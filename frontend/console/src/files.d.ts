/** What the build turns other files into. */
declare module "*.css";
