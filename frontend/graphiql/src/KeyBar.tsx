/** The bar over the editor: whose page this is, the API key, and whether the server accepts it. */
import { type ChangeEvent, type ReactNode, useId, useState } from "react";

import type { Access } from "./fetcher";
import { type KeyChoice, REFUSED } from "./key";

interface KeyBarProps {
  choice: KeyChoice;
  access: Access;
  onChange(choice: KeyChoice): void;
}

export function KeyBar({ choice, access, onChange }: KeyBarProps) {
  const [draft, setDraft] = useState(choice.key);
  const [shown, setShown] = useState(false);
  const id = useId();
  const commit = (key: string) => {
    if (key.trim() !== choice.key) onChange({ ...choice, key: key.trim() });
  };
  const edit = ({ target, nativeEvent }: ChangeEvent<HTMLInputElement>) => {
    setDraft(target.value);
    if ((nativeEvent as InputEvent).inputType === "insertFromPaste") commit(target.value);
  };
  return (
    <header className="foretell-bar">
      <strong className="foretell-name">
        <Mark />
        Foretell
      </strong>
      <div className="foretell-key">
        <label htmlFor={id}>API key</label>
        <span className="foretell-field">
          <input
            id={id}
            type={shown ? "text" : "password"}
            value={draft}
            placeholder="fk_…"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            onChange={edit}
            onBlur={() => commit(draft)}
            onKeyDown={(event) => event.key === "Enter" && commit(draft)}
          />
          <button type="button" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {shown ? "Hide" : "Show"}
          </button>
        </span>
      </div>
      <label className="foretell-remember" title="Otherwise it is forgotten when this tab is closed.">
        <input
          type="checkbox"
          checked={choice.remember}
          onChange={(event) => onChange({ key: draft.trim(), remember: event.target.checked })}
        />
        Remember
      </label>
      <AccessNote hasKey={choice.key !== ""} access={access} />
    </header>
  );
}

function AccessNote({ hasKey, access }: { hasKey: boolean; access: Access }) {
  const [tone, text] = describe(hasKey, access);
  return (
    <p className={`foretell-note foretell-${tone}`} role="status">
      {text}
    </p>
  );
}

function describe(hasKey: boolean, access: Access): [string, ReactNode] {
  if (hasKey && access === "accepted") return ["good", "Key accepted"];
  if (hasKey && access === "refused") return ["bad", REFUSED];
  if (typeof access === "object") return ["bad", access.said];
  if (hasKey || access === "accepted") return ["calm", ""];
  return [
    "hint",
    <>
      Paste your key here. The first start printed one; <code>foretell keys create</code> makes another.
    </>,
  ];
}

function Mark() {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M3 17 9 11l4 4 8-9" />
      <circle cx="21" cy="6" r="2" />
    </svg>
  );
}
