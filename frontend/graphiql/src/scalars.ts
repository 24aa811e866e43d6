/** What variables of the schema's own scalars may be, as JSON Schema, for the editor that checks them. */
export const SCALARS = {
  BigInt: { type: ["string", "integer"] },
  Decimal: { type: ["string", "number"] },
  JSON: { type: ["object", "array", "string", "number", "boolean", "null"] },
  URL: { type: "string" },
};
